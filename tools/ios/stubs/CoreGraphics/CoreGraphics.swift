@_exported import Foundation

// On Apple's systems these are bridged; here they are the same types.
public typealias CFData = Data
public typealias CFString = String
public typealias CFDictionary = [String: Any]

public struct CGColorSpace {}

public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError("a stub") }

public enum CGImageAlphaInfo: UInt32 {
    case noneSkipLast = 5
}

public final class CGImage {
    public var width: Int { fatalError("a stub") }
    public var height: Int { fatalError("a stub") }
}

public final class CGContext {
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int,
        space: CGColorSpace, bitmapInfo: UInt32
    ) {}

    public func draw(_ image: CGImage, in rectangle: CGRect) {}
}
