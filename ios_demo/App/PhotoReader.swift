import CoreGraphics
import Foundation
import ImageIO
import MobileViTKit

/// An upright photo: as the model takes it, and as the screen shows it. Nobody changes either.
struct Photo: @unchecked Sendable {
    let pixels: Pixels
    let image: CGImage
}

/// Photos of other apps as upright images of bounded size.
enum PhotoReader {
    private static let maxBytes = 64 * 1024 * 1024
    /// Larger photos are scaled down while they are decoded.
    private static let longestSide = 4096

    /// Takes a tenth of a second and more: not for the main actor.
    ///
    /// - Throws: `BundleError` if it is no photo.
    static func read(_ data: Data) throws -> Photo {
        guard data.count <= maxBytes else { throw BundleError("the photo is larger than \(maxBytes >> 20) MB") }
        guard let source = CGImageSourceCreateWithData(data as CFData, nil) else {
            throw BundleError("this is no photo that iOS can decode")
        }
        let options: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true,
            // Turns it upright as its EXIF says.
            kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: longestSide,
        ]
        guard let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary) else {
            throw BundleError("the photo is damaged")
        }
        return Photo(pixels: try pixels(image), image: image)
    }

    private static func pixels(_ image: CGImage) throws -> Pixels {
        let (width, height) = (image.width, image.height)
        var rgba = [UInt8](repeating: 0, count: width * height * 4)
        let drawn = rgba.withUnsafeMutableBytes { raw -> Bool in
            guard
                let context = CGContext(
                    data: raw.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: width * 4,
                    space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else { return false }
            context.draw(image, in: CGRect(x: 0, y: 0, width: width, height: height))
            return true
        }
        guard drawn else { throw BundleError("no memory for a photo of \(width) x \(height)") }
        var rgb = [UInt8](repeating: 0, count: width * height * 3)
        for pixel in 0..<(width * height) {
            for channel in 0..<3 { rgb[pixel * 3 + channel] = rgba[pixel * 4 + channel] }
        }
        return Pixels(width: width, height: height, rgb: rgb)
    }
}
