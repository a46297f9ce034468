import Foundation

/// What a head's answer says of an image, as `dense_answers.py`: a mask of its proportions, or boxes in its pixels.
struct DenseAnswers: Sendable {
    private let model: Manifest.Model
    private let labels: [String]
    private let preprocessor: Preprocessor

    init(_ manifest: Manifest, labels: [String]) {
        (model, self.labels) = (manifest.model, labels)
        preprocessor = Preprocessor(model: manifest.model, input: manifest.input)
    }

    /// The mask of an image of `width` x `height`, of its size or with `mostSide` as its longer side.
    ///
    /// - Throws: `BundleError` if `outputs` are no classes.
    func mask(_ head: MaskHead, _ outputs: [Float], width: Int, height: Int, mostSide: Int) throws -> Mask {
        let scale = min(1, Double(mostSide) / Double(max(width, height)))
        let (across, down) = (scaled(width, scale), scaled(height, scale))
        let seen = preprocessor.seen(width: across, height: down)
        let left = min(max(whole(seen.left), 0), across)
        let top = min(max(whole(seen.top), 0), down)
        let right = min(max(whole(seen.right), left + 1), across)
        let bottom = min(max(whole(seen.bottom), top + 1), down)
        let part = try classes(head, outputs, width: right - left, height: bottom - top)
        var all = [Int32](repeating: Mask.notSeen, count: across * down)
        for row in 0..<(bottom - top) {
            let (from, to) = (row * (right - left), (top + row) * across + left)
            all.replaceSubrange(to..<(to + right - left), with: part[from..<(from + right - left)])
        }
        return Mask(width: across, height: down, labels: all)
    }

    /// As Python rounds: halves to the even neighbor.
    private func whole(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }

    private func scaled(_ side: Int, _ scale: Double) -> Int { max(1, whole(Double(side) * scale)) }

    private func classes(_ head: MaskHead, _ outputs: [Float], width: Int, height: Int) throws -> [Int32] {
        let own: [Int32]
        switch head.answer {
        case .logits:
            return Masks.bestClasses(outputs, classes: model.outputs, head, width: width, height: height)
        case .fullLogits: own = Masks.best(outputs, classes: model.outputs)
        case .labels: own = try outputs.map(label)
        }
        return Masks.nearest(own, from: head, width: width, height: height)
    }

    private func label(_ value: Float) throws -> Int32 {
        guard let label = Int32(exactly: value), (0..<Int32(model.outputs)).contains(label) else {
            throw BundleError(
                "the model's answer to this image holds \(value), which is none of its \(model.outputs) classes")
        }
        return label
    }

    /// The objects in an image of `width` x `height`, the surest first.
    func boxes(_ head: BoxHead, _ outputs: [Float], width: Int, height: Int) -> [DetectedBox] {
        let seen = preprocessor.seen(width: width, height: height)
        let stride = Boxes.values + model.outputs
        return Boxes.detect(outputs, classes: model.outputs, head.rules).map { found in
            func x(_ column: Int) -> Double {
                min(max(Double(outputs[found.row * stride + column]) * seen.width + seen.left, 0), Double(width))
            }
            func y(_ column: Int) -> Double {
                min(max(Double(outputs[found.row * stride + column]) * seen.height + seen.top, 0), Double(height))
            }
            return DetectedBox(
                index: found.label, label: labels[found.label], probability: Double(found.score),
                area: Area(left: x(0), top: y(1), right: x(2), bottom: y(3)))
        }
    }
}
