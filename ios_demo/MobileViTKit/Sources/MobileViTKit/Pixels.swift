import Foundation

/// An upright RGB image: `rgb` holds `height` rows of `width` pixels of three bytes.
public struct Pixels: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let rgb: [UInt8]

    public init(width: Int, height: Int, rgb: [UInt8]) {
        precondition(width > 0 && height > 0 && rgb.count == width * height * 3, "an image of \(width) x \(height)")
        self.width = width
        self.height = height
        self.rgb = rgb
    }

    /// The gray of the pixel whose bytes begin at an index: ITU-R BT.601, rounded as Pillow rounds it.
    public func luma(at index: Int) -> UInt8 {
        let (red, green, blue) = (Int(rgb[index]), Int(rgb[index + 1]), Int(rgb[index + 2]))
        return UInt8((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)
    }

    /// A part of the image.
    func cropped(left: Int, top: Int, width newWidth: Int, height newHeight: Int) -> Pixels {
        precondition(left >= 0 && top >= 0 && left + newWidth <= width && top + newHeight <= height, "crop outside")
        var cut: [UInt8] = []
        cut.reserveCapacity(newWidth * newHeight * 3)
        for row in 0..<newHeight {
            let start = ((top + row) * width + left) * 3
            cut += rgb[start..<(start + newWidth * 3)]
        }
        return Pixels(width: newWidth, height: newHeight, rgb: cut)
    }

    /// The image enlarged by repeating pixels.
    func enlarged(width newWidth: Int, height newHeight: Int) -> Pixels {
        var large = [UInt8](repeating: 0, count: newWidth * newHeight * 3)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let from = ((y * height / newHeight) * width + x * width / newWidth) * 3
                let to = (y * newWidth + x) * 3
                for channel in 0..<3 { large[to + channel] = rgb[from + channel] }
            }
        }
        return Pixels(width: newWidth, height: newHeight, rgb: large)
    }
}
