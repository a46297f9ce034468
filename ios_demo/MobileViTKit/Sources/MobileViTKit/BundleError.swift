import Foundation

/// A bundle, an image or a report that cannot be used; the message says why, and what to do.
public struct BundleError: LocalizedError, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var errorDescription: String? { message }
}
