import Foundation

/// Reads `head` and the shape of its answer in `manifest.json`.
enum HeadReader {
    private static let mostParts = 16
    private static let mostColors = 100_000
    private static let rows = 1...1_000_000
    private static let strides = 1...64
    private static let sides = 1...2048
    private static let counts = 1...100_000
    private static let unit = 0.0...1.0
    /// More candidates of a class than any network has would compare for minutes.
    private static let mostCandidates = 5_000

    /// - Throws: `BundleError` if `task` and the head do not fit, or this app has no use for the answer.
    static func read(_ root: JSONReader, _ task: String, _ model: Manifest.Model) throws -> Head? {
        guard root.has("head") else {
            guard task != "segmentation", task != "detection" else {
                throw root.wrong("head", "is missing for \(task)")
            }
            return nil
        }
        let json = try root.child("head")
        let name = try json.oneOf("name", ["deeplabv3", "pspnet", "ssdlite"])
        guard task == (name == "ssdlite" ? "detection" : "segmentation") else {
            throw json.wrong("name", "\(name) is none for \(task): export the bundle again")
        }
        let colors = try json.rows("colors", most: mostColors, count: 3, 0...255).map {
            ClassColor(red: UInt8($0[0]), green: UInt8($0[1]), blue: UInt8($0[2]))
        }
        guard colors.count == model.outputs else {
            throw json.wrong("colors", "are \(colors.count) for \(model.outputs) classes")
        }
        let output = try root.child("output")
        return name == "ssdlite"
            ? .boxes(try boxes(json, output, model, colors)) : .masks(try masks(json, output, model, colors))
    }

    private static func masks(
        _ json: JSONReader, _ output: JSONReader, _ model: Manifest.Model, _ colors: [ClassColor]
    ) throws -> MaskHead {
        let named = try json.oneOf("answer", MaskAnswer.allCases.map(\.rawValue))
        let rule = try json.oneOf("mask_resize", MaskResize.allCases.map(\.rawValue))
        guard let answer = MaskAnswer(rawValue: named), let resize = MaskResize(rawValue: rule) else {
            throw json.wrong("answer", "is unknown")
        }
        guard !json.has("boxes") else { throw json.wrong("boxes", "are none of a mask: export the bundle again") }
        _ = try output.oneOf("dtype", [answer == .labels ? "int32" : "float32"])
        let shape = try output.ints("shape", count: answer == .labels ? 3 : 4, rows)
        guard let height = shape[shape.count - 2], let width = shape[shape.count - 1],
            answer == .labels || shape[1] == model.outputs,
            answer == .logits || (height, width) == (model.height, model.width)
        else { throw output.wrong("shape", "does not fit the head: export the bundle again") }
        return MaskHead(
            answer: answer, height: height, width: width, stride: try json.int("output_stride", strides),
            resize: resize, colors: colors)
    }

    private static func boxes(
        _ json: JSONReader, _ output: JSONReader, _ model: Manifest.Model, _ colors: [ClassColor]
    ) throws -> BoxHead {
        let answer = try json.oneOf("answer", ["decoded", "raw", "nms"])
        guard answer == "decoded" else {
            let what = answer == "raw" ? "relative to anchors" : "suppressed already"
            throw json.wrong("answer", "is \(what) (--boxes \(answer)): export the model with --boxes decoded")
        }
        guard !json.has("output_stride") || !json.has("mask_resize") else {
            throw json.wrong("mask_resize", "is of a mask: export the bundle again")
        }
        let rules = try json.child("boxes")
        let maps = try rules.rows("maps", most: mostParts, count: 2, sides)
        let ratios = try rules.rows("ratios", most: mostParts, count: nil, strides)
        let anchors = zip(maps, ratios).map { $0[0] * $0[1] * (2 + 2 * $1.count) }.reduce(0, +)
        _ = try output.oneOf("dtype", ["float32"])
        let shape = try output.ints("shape", count: 3, rows)
        guard !maps.isEmpty, maps.count == ratios.count, shape[1] == anchors, shape[2] == Boxes.values + model.outputs
        else { throw output.wrong("shape", "does not fit the head: export the bundle again") }
        let candidates = try rules.int("candidates", counts)
        guard candidates <= mostCandidates else {
            throw rules.wrong("candidates", "are \(candidates), this app compares at most \(mostCandidates)")
        }
        return BoxHead(
            rows: anchors,
            rules: DetectionRules(
                // NumPy compares single numbers in single precision.
                score: Float(try rules.number("score", unit)), candidates: candidates,
                overlap: try rules.number("overlap", unit), detections: try rules.int("detections", counts)),
            colors: colors)
    }
}
