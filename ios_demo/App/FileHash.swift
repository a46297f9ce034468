import CryptoKit
import Foundation
import MobileViTKit

enum FileHash {
    private static let chunk = 1 << 20

    /// In lower case, a piece of the file at a time.
    ///
    /// - Throws: `BundleError` if the file cannot be read.
    @Sendable
    static func sha256(_ file: URL) throws -> String {
        do {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            var hash = SHA256()
            while let data = try handle.read(upToCount: chunk), !data.isEmpty { hash.update(data: data) }
            return hash.finalize().map { String(format: "%02x", $0) }.joined()
        } catch {
            throw BundleError("\(file.lastPathComponent) cannot be read: \(error.localizedDescription)")
        }
    }
}
