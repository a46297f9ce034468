import Foundation

/// The class of each pixel of an image, `notSeen` where the model has not looked: `height` rows of `width`.
public struct Mask: Equatable, Sendable {
    static let notSeen: Int32 = -1
    /// As the pictures of `mobilevit-predict --overlay`.
    private static let half: UInt8 = 128

    public let width: Int
    public let height: Int
    let labels: [Int32]

    init(width: Int, height: Int, labels: [Int32]) {
        precondition(labels.count == width * height, "\(labels.count) labels for \(width) x \(height)")
        (self.width, self.height, self.labels) = (width, height, labels)
    }

    /// The classes in it with their shares of what the model has seen, the largest first.
    func shares(_ names: [String]) -> [ClassScore] {
        var counts = [Int](repeating: 0, count: names.count)
        for label in labels where label >= 0 { counts[Int(label)] += 1 }
        let seen = Double(counts.reduce(0, +))
        return counts.indices.filter { counts[$0] > 0 }
            .sorted { (counts[$1], $0) < (counts[$0], $1) }
            .map { ClassScore(index: $0, label: names[$0], probability: Double(counts[$0]) / seen) }
    }

    /// Its pixels as red, green, blue and alpha, each color times alpha: half transparent, and nothing where the model
    /// has not looked.
    func rgba(_ colors: [ClassColor]) -> [UInt8] {
        func faint(_ value: UInt8) -> UInt8 { UInt8((Int(value) * Int(Mask.half) + 127) / 255) }
        let paints = colors.map { ClassColor(red: faint($0.red), green: faint($0.green), blue: faint($0.blue)) }
        var pixels = [UInt8](repeating: 0, count: labels.count * 4)
        for (index, label) in labels.enumerated() where label >= 0 {
            let paint = paints[Int(label)]
            pixels[index * 4] = paint.red
            pixels[index * 4 + 1] = paint.green
            pixels[index * 4 + 2] = paint.blue
            pixels[index * 4 + 3] = Mask.half
        }
        return pixels
    }
}
