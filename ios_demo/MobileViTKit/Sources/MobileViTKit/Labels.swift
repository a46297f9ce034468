import Foundation

/// Class names from `labels.txt`: one a line, in the order of the outputs.
public enum Labels {
    public static let maxBytes = 4 * 1024 * 1024

    /// Characters of a name.
    public static let longest = 1000

    /// What some programs take for the end of a line, and what no name holds.
    private static let odd: Set<Unicode.GeneralCategory> = [.control, .lineSeparator, .paragraphSeparator]

    /// A line ends with a line feed and nothing else, on every system.
    ///
    /// - Throws: `BundleError` if a line is empty, long, odd or twice there, or there are not `count` of them.
    public static func parse(_ text: String, count: Int) throws -> [String] {
        let body = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
        // By scalars: to Swift, a carriage return and a line feed are one character.
        let lines = body.trimmingCharacters(in: .whitespacesAndNewlines).unicodeScalars
            .split(separator: "\n", omittingEmptySubsequences: false)
        let labels = lines.map { String($0).trimmingCharacters(in: .whitespacesAndNewlines) }
        if let empty = labels.firstIndex(of: "") { throw BundleError("labels: line \(empty + 1) is empty") }
        for (index, label) in labels.enumerated() {
            let scalars = label.unicodeScalars
            guard scalars.count <= longest else { throw BundleError("labels: line \(index + 1) is too long") }
            guard !scalars.contains(where: { odd.contains($0.properties.generalCategory) }) else {
                throw BundleError("labels: line \(index + 1) holds a control character")
            }
        }
        // By bytes: to Swift, composed and decomposed letters are equal.
        guard Set(labels.map { Array($0.utf8) }).count == labels.count else {
            throw BundleError("labels: a name stands there twice")
        }
        guard labels.count == count else { throw BundleError("labels: \(labels.count) names for \(count) classes") }
        return labels
    }
}
