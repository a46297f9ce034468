import Foundation

/// From logits to the class of each pixel, as `masks.py` does it.
enum Masks {
    /// The best class of each pixel of a mask of `height` x `width`, the first of equal ones; a row at a time, since
    /// logits of all classes at a photo's size would take hundreds of megabytes.
    ///
    /// `logits`: `[classes, head.height, head.width]`.
    static func bestClasses(_ logits: [Float], classes: Int, _ head: MaskHead, width: Int, height: Int) -> [Int32] {
        let rows = Line(source: head.height, target: height, head)
        let columns = Line(source: head.width, target: width, head)
        var (above, below) = (Widened(classes, columns), Widened(classes, columns))
        var labels = [Int32](repeating: 0, count: width * height)
        var best = [Float](repeating: 0, count: width)
        for y in 0..<height {
            above.move(to: rows.left[y], of: logits, head)
            below.move(to: rows.right[y], of: logits, head)
            let (near, far) = (rows.near[y], rows.far[y])
            for kind in 0..<classes {
                for x in 0..<width {
                    // Both directions in single precision, columns first, as NumPy's products.
                    let value = near * above.values[kind * width + x] + far * below.values[kind * width + x]
                    guard kind == 0 || value > best[x] else { continue }
                    best[x] = value
                    labels[y * width + x] = Int32(kind)
                }
            }
        }
        return labels
    }

    /// The best class of each place, the first of equal ones. `[classes, places] -> [places]`
    static func best(_ logits: [Float], classes: Int) -> [Int32] {
        let places = logits.count / classes
        return (0..<places).map { place in
            var best = 0
            for kind in 1..<max(1, classes) where logits[kind * places + place] > logits[best * places + place] {
                best = kind
            }
            return Int32(best)
        }
    }

    /// Each place takes the value at its corner, rounded down. `[from.height, from.width] -> [height, width]`
    static func nearest(_ values: [Int32], from head: MaskHead, width: Int, height: Int) -> [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(width * height)
        for y in 0..<height {
            let row = y * head.height / height * head.width
            for x in 0..<width { result.append(values[row + x * head.width / width]) }
        }
        return result
    }

    /// What each place of a resized line is made of: `near` times the value at `left`, `far` times that at `right`.
    private struct Line {
        private(set) var left: [Int] = []
        private(set) var right: [Int] = []
        private(set) var near: [Float] = []
        private(set) var far: [Float] = []

        init(source: Int, target: Int, _ head: MaskHead) {
            let isNearest = head.resize == .halfPixelNearest
            let middle = isNearest ? source * head.stride : target
            for index in 0..<target {
                // Choosing a class and choosing a neighbor may change places.
                let step = Double(isNearest ? index * middle / target : index)
                let place: Double
                if head.resize != .aligned {
                    place = max((step + 0.5) * Double(source) / Double(middle) - 0.5, 0)
                } else {
                    place = middle > 1 ? step * (Double(source - 1) / Double(middle - 1)) : 0
                }
                let first = min(Int(place), source - 1)
                let isEdge = first == source - 1
                left.append(first)
                right.append(min(first + 1, source - 1))
                near.append(isEdge ? 1 : Float(1 - (place - Double(first))))
                far.append(isEdge ? 0 : Float(place - Double(first)))
            }
        }
    }

    /// One row of the logits of all classes at the mask's width: `[classes, width]`.
    private struct Widened {
        private let classes: Int
        private let columns: Line
        private var number = -1
        private(set) var values: [Float]

        init(_ classes: Int, _ columns: Line) {
            self.classes = classes
            self.columns = columns
            values = [Float](repeating: 0, count: classes * columns.left.count)
        }

        /// The row it has already is not made again.
        mutating func move(to row: Int, of logits: [Float], _ head: MaskHead) {
            guard row != number else { return }
            number = row
            let width = columns.left.count
            for kind in 0..<classes {
                let start = (kind * head.height + row) * head.width
                for x in 0..<width {
                    values[kind * width + x] =
                        logits[start + columns.left[x]] * columns.near[x]
                        + logits[start + columns.right[x]] * columns.far[x]
                }
            }
        }
    }
}
