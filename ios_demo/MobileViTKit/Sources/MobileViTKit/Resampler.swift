import Foundation

/// Resizing with antialiasing, to the byte as `preprocess.py` does it with Pillow, which the
/// checkpoints' accuracy was measured with: weights in fixed point of 22 bits; columns, then rows,
/// each pass rounded to bytes; a long strip rows first, which bounds what lies between the passes.
enum Resampler {
    /// A side this many times longer than it need be makes an image that is not scaled as a whole.
    static let longStrip = 64

    private static let bits = 22

    /// A part of an image, in pixels.
    struct Box {
        var left: Float
        var top: Float
        var right: Float
        var bottom: Float
    }

    /// Weights of the source pixels from `first` on, for one target pixel.
    private struct Window {
        let first: Int
        let weights: [Int]
    }

    /// `box`, or all, of `image` at a new size.
    static func resize(
        _ image: Pixels, width: Int, height: Int, _ interpolation: Interpolation, box given: Box? = nil
    ) -> Pixels {
        let box = given ?? Box(left: 0, top: 0, right: Float(image.width), bottom: Float(image.height))
        func columns(_ pixels: Pixels) -> Pixels {
            if box.left == 0, box.right == Float(width), pixels.width == width { return pixels }
            return horizontal(pixels, windows(pixels.width, box.left, box.right, width, interpolation))
        }
        func rows(_ pixels: Pixels) -> Pixels {
            if box.top == 0, box.bottom == Float(height), pixels.height == height { return pixels }
            return vertical(pixels, windows(pixels.height, box.top, box.bottom, height, interpolation))
        }
        let isStrip = image.height > longStrip * image.width
        return isStrip ? columns(rows(image)) : rows(columns(image))
    }

    private static func horizontal(_ image: Pixels, _ columns: [Window]) -> Pixels {
        var result = [UInt8](repeating: 0, count: columns.count * image.height * 3)
        image.rgb.withUnsafeBufferPointer { source in
            for y in 0..<image.height {
                for (x, window) in columns.enumerated() {
                    let from = (y * image.width + window.first) * 3
                    sum(source, from, 3, window.weights, &result, (y * columns.count + x) * 3)
                }
            }
        }
        return Pixels(width: columns.count, height: image.height, rgb: result)
    }

    private static func vertical(_ image: Pixels, _ rows: [Window]) -> Pixels {
        let stride = image.width * 3
        var result = [UInt8](repeating: 0, count: stride * rows.count)
        image.rgb.withUnsafeBufferPointer { source in
            for (y, window) in rows.enumerated() {
                for x in 0..<image.width {
                    sum(source, window.first * stride + x * 3, stride, window.weights, &result, y * stride + x * 3)
                }
            }
        }
        return Pixels(width: image.width, height: rows.count, rgb: result)
    }

    /// One pixel: the weighted sum of pixels `step` bytes apart.
    private static func sum(
        _ source: UnsafeBufferPointer<UInt8>, _ from: Int, _ step: Int, _ weights: [Int], _ target: inout [UInt8],
        _ at: Int
    ) {
        for channel in 0..<3 {
            var total = 1 << (bits - 1)
            var index = from + channel
            for weight in weights {
                total += Int(source[index]) * weight
                index += step
            }
            target[at + channel] = UInt8(min(255, max(0, total >> bits)))
        }
    }

    private static func windows(
        _ inSize: Int, _ start: Float, _ end: Float, _ outSize: Int, _ interpolation: Interpolation
    ) -> [Window] {
        let scale = Double(end - start) / Double(outSize)
        let filterScale = max(scale, 1)
        let support = (interpolation == .bicubic ? 2 : 1) * filterScale
        // Multiplied by, not divided by: as Pillow, or the last bit of a weight differs.
        let shrink = 1 / filterScale
        return (0..<outSize).map { index in
            let centre = Double(start) + (Double(index) + 0.5) * scale
            let first = max(0, Int(centre - support + 0.5))
            let last = min(inSize, Int(centre + support + 0.5))
            let weights = (0..<(last - first)).map {
                filter(abs((Double($0) + Double(first) - centre + 0.5) * shrink), interpolation)
            }
            let total = weights.reduce(0, +)
            return Window(first: first, weights: weights.map { fixed(total != 0 ? $0 / total : $0) })
        }
    }

    private static func fixed(_ weight: Double) -> Int {
        let scaled = weight * Double(1 << bits)
        return Int(weight < 0 ? scaled - 0.5 : scaled + 0.5)
    }

    private static func filter(_ x: Double, _ interpolation: Interpolation) -> Double {
        if interpolation == .bilinear { return x < 1 ? 1 - x : 0 }
        // Keys' cubic.
        let a = -0.5
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
}
