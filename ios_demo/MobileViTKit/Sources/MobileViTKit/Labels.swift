import Foundation

/// Class names from `labels.txt`: one a line, in the order of the outputs.
public enum Labels {
    public static let maxBytes = 4 * 1024 * 1024

    /// - Throws: `BundleError` if a line is empty, or there are not `count` of them.
    public static func parse(_ text: String, count: Int) throws -> [String] {
        let body = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
        let lines = body.replacingOccurrences(of: "\r\n", with: "\n")
            .trimmingCharacters(in: .whitespacesAndNewlines).components(separatedBy: .newlines)
        let labels = lines.map { $0.trimmingCharacters(in: .whitespaces) }
        if let empty = labels.firstIndex(of: "") { throw BundleError("labels: line \(empty + 1) is empty") }
        guard labels.count == count else { throw BundleError("labels: \(labels.count) names for \(count) classes") }
        return labels
    }
}
