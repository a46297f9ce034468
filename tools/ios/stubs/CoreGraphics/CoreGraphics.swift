@_exported import Foundation

// On Apple's systems these are bridged; here they are the same types.
public typealias CFData = Data
public typealias CFString = String
public typealias CFDictionary = [String: Any]

public struct CGColorSpace {}

public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError("a stub") }

public enum CGImageAlphaInfo: UInt32 {
    case premultipliedLast = 1
    case noneSkipLast = 5
}

public struct CGBitmapInfo: OptionSet, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public enum CGColorRenderingIntent: Int32 {
    case defaultIntent
}

public final class CGDataProvider {
    public init?(data: CFData) {}
}

public final class CGImage {
    public init?(
        width: Int, height: Int, bitsPerComponent: Int, bitsPerPixel: Int, bytesPerRow: Int, space: CGColorSpace,
        bitmapInfo: CGBitmapInfo, provider: CGDataProvider, decode: UnsafePointer<CGFloat>?, shouldInterpolate: Bool,
        intent: CGColorRenderingIntent
    ) {}

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
