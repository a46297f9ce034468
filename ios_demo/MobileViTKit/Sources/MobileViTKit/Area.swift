import Foundation

/// A part of an image or of a screen, in its pixels.
public struct Area: Equatable, Sendable {
    public let left: Double
    public let top: Double
    public let right: Double
    public let bottom: Double

    public var width: Double { right - left }
    public var height: Double { bottom - top }

    /// Where an image of `width` x `height` lies that is shown whole and undistorted in the middle of a larger place.
    public static func fitting(_ width: Int, _ height: Int, inside place: (width: Double, height: Double)) -> Area {
        let scale = min(place.width / Double(width), place.height / Double(height))
        let (across, down) = (Double(width) * scale, Double(height) * scale)
        let (left, top) = ((place.width - across) / 2, (place.height - down) / 2)
        return Area(left: left, top: top, right: left + across, bottom: top + down)
    }

    /// Where this part of an image `imageWidth` wide lies if the image is shown in `place`.
    public func shown(in place: Area, imageWidth: Int) -> Area {
        let scale = place.width / Double(imageWidth)
        return Area(
            left: place.left + left * scale, top: place.top + top * scale, right: place.left + right * scale,
            bottom: place.top + bottom * scale)
    }

    /// The same part in a mirror that is `mirror` wide.
    public func mirrored(in mirror: Double) -> Area {
        Area(left: mirror - right, top: top, right: mirror - left, bottom: bottom)
    }

    /// Intersection over union; a pair without area has none.
    func overlap(with other: Area) -> Double {
        let across = min(right, other.right) - max(left, other.left)
        let down = min(bottom, other.bottom) - max(top, other.top)
        let shared = max(across, 0) * max(down, 0)
        let union = width * height + other.width * other.height - shared
        return union > 0 ? shared / union : 0
    }
}
