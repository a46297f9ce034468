import Foundation

/// Typed reading of JSON that strangers wrote: whatever is missing or of another type is a
/// `BundleError` that names the place.
struct JSONReader {
    private static let shown = 40
    /// Deeper ones are no manifest of ours; Foundation's parser ends them itself, or the stack does.
    private static let deepest = 64

    private let values: [String: Any]
    private let path: String

    init(_ text: String) throws {
        guard JSONReader.depth(text) <= JSONReader.deepest else { throw BundleError("manifest: nested too deeply") }
        guard let parsed = try? JSONSerialization.jsonObject(with: Data(text.utf8)),
            let values = parsed as? [String: Any]
        else { throw BundleError("manifest: no JSON object") }
        self.init(values, at: "")
    }

    private init(_ values: [String: Any], at path: String) {
        self.values = values
        self.path = path
    }

    func child(_ key: String) throws -> JSONReader {
        guard let found = try required(key) as? [String: Any] else { throw wrong(key, "is no object") }
        return JSONReader(found, at: place(key))
    }

    func has(_ key: String) -> Bool { values[key] != nil && !(values[key] is NSNull) }

    func text(_ key: String) throws -> String {
        guard let found = try required(key) as? String else { throw wrong(key, "is no text") }
        return found
    }

    /// A text of so many characters, as Unicode counts them.
    func text(_ key: String, _ lengths: ClosedRange<Int>) throws -> String {
        let found = try text(key)
        guard lengths.contains(found.unicodeScalars.count) else {
            throw wrong(key, "has not \(lengths.lowerBound) to \(lengths.upperBound) characters")
        }
        return found
    }

    func oneOf(_ key: String, _ allowed: [String]) throws -> String {
        let found = try text(key)
        guard allowed.contains(found) else {
            throw wrong(key, "'\(found.prefix(JSONReader.shown))' is none of \(allowed.joined(separator: ", "))")
        }
        return found
    }

    func int(_ key: String, _ range: ClosedRange<Int>) throws -> Int {
        try whole(required(key), key, range)
    }

    func number(_ key: String) throws -> Double {
        guard let found = JSONReader.number(try required(key)), found.isFinite else { throw wrong(key, "is no number") }
        return found
    }

    func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double {
        let found = try number(key)
        guard range.contains(found) else { throw wrong(key, "is not from \(range.lowerBound) to \(range.upperBound)") }
        return found
    }

    func positive(_ key: String) throws -> Double {
        let found = try number(key)
        guard found > 0 else { throw wrong(key, "must be positive") }
        return found
    }

    /// Whole numbers of a list of known length; nil where the file has null.
    func ints(_ key: String, count: Int, _ range: ClosedRange<Int>) throws -> [Int?] {
        guard let found = try required(key) as? [Any], found.count == count else {
            throw wrong(key, "needs \(count) numbers")
        }
        return try found.map { $0 is NSNull ? nil : try whole($0, key, range) }
    }

    /// Numbers of a list of known length.
    func numbers(_ key: String, count: Int, _ range: ClosedRange<Double>) throws -> [Double] {
        guard let found = try required(key) as? [Any], found.count == count else {
            throw wrong(key, "needs \(count) numbers")
        }
        return try found.map {
            // NaN is in no range.
            guard let number = JSONReader.number($0), range.contains(number) else {
                throw wrong(key, "holds no number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    /// At most `most` lists of `count` whole numbers each; without a count, of at most `most`.
    func rows(_ key: String, most: Int, count: Int?, _ range: ClosedRange<Int>) throws -> [[Int]] {
        guard let found = try required(key) as? [Any], found.count <= most else {
            throw wrong(key, "is no list of at most \(most)")
        }
        return try found.map { row in
            guard let row = row as? [Any], count.map({ row.count == $0 }) ?? (row.count <= most) else {
                throw wrong(key, "holds no list of so many numbers")
            }
            return try row.map { try whole($0, key, range) }
        }
    }

    func children(_ key: String, most: Int) throws -> [JSONReader] {
        guard let found = try required(key) as? [Any], found.count <= most else {
            throw wrong(key, "is no list of at most \(most)")
        }
        return try found.enumerated().map { index, value in
            guard let values = value as? [String: Any] else { throw wrong("\(key)/\(index)", "is no object") }
            return JSONReader(values, at: "\(place(key))/\(index)")
        }
    }

    func wrong(_ key: String, _ what: String) -> BundleError { BundleError("manifest: \(place(key)) \(what)") }

    private func required(_ key: String) throws -> Any {
        guard let found = values[key], !(found is NSNull) else { throw wrong(key, "is missing") }
        return found
    }

    private func whole(_ value: Any, _ key: String, _ range: ClosedRange<Int>) throws -> Int {
        // Int(exactly:) refuses what is no whole number, or too large for one.
        guard let number = JSONReader.number(value), let found = Int(exactly: number) else {
            throw wrong(key, "is no whole number")
        }
        guard range.contains(found) else { throw wrong(key, "must be \(range.lowerBound) to \(range.upperBound)") }
        return found
    }

    private func place(_ key: String) -> String { path.isEmpty ? key : "\(path)/\(key)" }

    /// True and false are numbers to Foundation, not to JSON.
    private static func number(_ value: Any) -> Double? {
        guard let number = value as? NSNumber else { return nil }
        if String(cString: number.objCType) == "c" { return nil }
        return number.doubleValue
    }

    private static func depth(_ text: String) -> Int {
        var (depth, deepest, quoted, escaped) = (0, 0, false, false)
        for byte in text.utf8 {
            if escaped {
                escaped = false
            } else if quoted {
                if byte == UInt8(ascii: "\\") { escaped = true }
                if byte == UInt8(ascii: "\"") { quoted = false }
            } else if byte == UInt8(ascii: "\"") {
                quoted = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
                deepest = max(deepest, depth)
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth -= 1
            }
        }
        return deepest
    }
}
