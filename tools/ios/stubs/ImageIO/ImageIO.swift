@_exported import CoreGraphics

public final class CGImageSource {}

public let kCGImageSourceCreateThumbnailFromImageAlways: CFString = "always"
public let kCGImageSourceCreateThumbnailWithTransform: CFString = "transform"
public let kCGImageSourceThumbnailMaxPixelSize: CFString = "size"

public func CGImageSourceCreateWithData(_ data: CFData, _ options: CFDictionary?) -> CGImageSource? {
    fatalError("a stub")
}

public func CGImageSourceCreateThumbnailAtIndex(
    _ source: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CGImage? { fatalError("a stub") }
