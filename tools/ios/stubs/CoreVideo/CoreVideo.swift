@_exported import Foundation

public final class CVPixelBuffer {}

public typealias CVReturn = Int32
public typealias OSType = UInt32

public struct CVPixelBufferLockFlags: OptionSet {
    public let rawValue: UInt64
    public static let readOnly = CVPixelBufferLockFlags(rawValue: 1)

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public let kCVReturnSuccess: CVReturn = 0
public let kCVPixelFormatType_32BGRA: OSType = 0x4247_5241
public let kCVPixelFormatType_OneComponent8: OSType = 0x0000_0008
public let kCVPixelBufferPixelFormatTypeKey = "PixelFormatType"

public func CVPixelBufferCreate(
    _ allocator: AnyObject?, _ width: Int, _ height: Int, _ format: OSType, _ attributes: AnyObject?,
    _ made: UnsafeMutablePointer<CVPixelBuffer?>
) -> CVReturn { fatalError("a stub") }

@discardableResult
public func CVPixelBufferLockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn {
    fatalError("a stub")
}

@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn {
    fatalError("a stub")
}

public func CVPixelBufferGetBaseAddress(_ buffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { fatalError("a stub") }
public func CVPixelBufferGetBytesPerRow(_ buffer: CVPixelBuffer) -> Int { fatalError("a stub") }
public func CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int { fatalError("a stub") }
public func CVPixelBufferGetHeight(_ buffer: CVPixelBuffer) -> Int { fatalError("a stub") }
public func CVPixelBufferGetPixelFormatType(_ buffer: CVPixelBuffer) -> OSType { fatalError("a stub") }
