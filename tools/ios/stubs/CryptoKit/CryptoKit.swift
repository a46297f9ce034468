import Foundation

public struct SHA256Digest: Sequence {
    public func makeIterator() -> [UInt8].Iterator { fatalError("a stub") }
}

public struct SHA256 {
    public init() {}

    public mutating func update(data: Data) {}
    public func finalize() -> SHA256Digest { fatalError("a stub") }
}
