import Foundation

/// From an upright image to a model's input, as the manifest says; the same as `preprocess.py`.
public struct Preprocessor: Sendable {
    private let model: Manifest.Model
    private let input: Manifest.Input

    public init(model: Manifest.Model, input: Manifest.Input) {
        self.model = model
        self.input = input
    }

    /// An image of any size at the model's own: the manifest's `Resize`, then the centre.
    public func resize(_ image: Pixels) -> Pixels {
        let rule = input.resize
        guard rule.crop else {
            return Resampler.resize(image, width: model.width, height: model.height, rule.interpolation)
        }
        let (width, height) = covering(image.width, image.height)
        let (left, top) = ((width - model.width) / 2, (height - model.height) / 2)
        if max(width, height) > Resampler.longStrip * max(model.width, model.height) {
            // Scale only the part that survives the crop.
            let kx = Double(image.width) / Double(width)
            let ky = Double(image.height) / Double(height)
            let box = Resampler.Box(
                left: Float(Double(left) * kx), top: Float(Double(top) * ky),
                right: Float(Double(left + model.width) * kx), bottom: Float(Double(top + model.height) * ky))
            return Resampler.resize(image, width: model.width, height: model.height, rule.interpolation, box: box)
        }
        return Resampler.resize(image, width: width, height: height, rule.interpolation)
            .cropped(left: left, top: top, width: model.width, height: model.height)
    }

    /// An image of the model's size as float32 `[C, H, W]`, channels arranged, scaled and
    /// normalized: for models that take no pixels.
    public func tensor(_ image: Pixels) -> [Float] {
        precondition(image.width == model.width && image.height == model.height, "not of the model's size")
        let count = image.width * image.height
        let divisor = Float(1 / input.scale)
        let channels = input.order.channels
        var tensor = [Float](repeating: 0, count: channels * count)
        for plane in 0..<channels {
            let (mean, std) = (Float(input.mean[plane]), Float(input.std[plane]))
            for pixel in 0..<count {
                // A division, as in Python: times the reciprocal is off by one in the last place.
                tensor[plane * count + pixel] = (Float(byte(image, pixel, plane)) / divisor - mean) / std
            }
        }
        return tensor
    }

    /// A channel of a pixel; gray by ITU-R BT.601, rounded as Pillow rounds it.
    private func byte(_ image: Pixels, _ pixel: Int, _ plane: Int) -> UInt8 {
        let at = pixel * 3
        switch input.order {
        case .rgb: return image.rgb[at + plane]
        case .bgr: return image.rgb[at + 2 - plane]
        case .rgba: return plane == 3 ? 255 : image.rgb[at + plane]
        case .gray: return image.luma(at: at)
        }
    }

    /// The part of an image of `imageWidth` x `imageHeight` that the model sees.
    public func seen(width imageWidth: Int, height imageHeight: Int) -> Area {
        guard input.resize.crop else {
            return Area(left: 0, top: 0, right: Double(imageWidth), bottom: Double(imageHeight))
        }
        let (width, height) = covering(imageWidth, imageHeight)
        let (left, top) = ((width - model.width) / 2, (height - model.height) / 2)
        let (kx, ky) = (Double(imageWidth) / Double(width), Double(imageHeight) / Double(height))
        return Area(
            left: Double(left) * kx, top: Double(top) * ky, right: Double(left + model.width) * kx,
            bottom: Double(top + model.height) * ky)
    }

    /// What an image of `imageWidth` x `imageHeight` is scaled to: its proportions kept, covering the manifest's size.
    private func covering(_ imageWidth: Int, _ imageHeight: Int) -> (Int, Int) {
        let rule = input.resize
        if rule.coverWidth * imageHeight >= rule.coverHeight * imageWidth {
            return (rule.coverWidth, max(rule.coverWidth * imageHeight / imageWidth, model.height))
        }
        return (max(rule.coverHeight * imageWidth / imageHeight, model.width), rule.coverHeight)
    }
}
