import Foundation

/// Reads `manifest.json`.
public enum ManifestReader {
    private static let firstVersion = 1
    private static let schemaVersion = 2
    private static let sides = 1...2048
    private static let classes = 1...1_000_000
    private static let images = 1...65_536
    private static let mostFiles = 1000
    private static let paths = 1...240
    private static let names = 1...200
    private static let largestCover = 4
    private static let largestTolerance = 1e6
    private static let mostElements = 1 << 28
    private static let scaleTolerance = 1e-6
    private static let mostExpected = 64
    /// Numbers of an answer: an app has little more memory than a few such.
    private static let mostNumbers = 1 << 23
    /// Classes of a head: what is made of it takes a row of each.
    private static let mostHeadClasses = 1_000
    private static let goldenSides = 1...256
    private static let firstChannels = 3
    private static let tasks = ["classification", "multilabel", "embedding", "segmentation", "detection"]
    private static let means = -255.0...255.0
    private static let stds = (1 / 1024.0)...1024.0

    /// - Throws: `BundleError` if the text is no manifest of version 1 or 2, or contradicts itself.
    public static func read(_ text: String) throws -> Manifest {
        guard text.utf8.count <= Manifest.maxBytes else { throw BundleError("manifest: too large") }
        let root = try JSONReader(text)
        let version = try root.int("schema_version", 0...Int(Int32.max))
        guard (firstVersion...schemaVersion).contains(version) else {
            throw BundleError(
                "manifest: version \(version), this app reads \(schemaVersion): export the bundle again, or update the app"
            )
        }
        // Version 1 knew neither tasks nor normalization.
        let isFirst = version == firstVersion
        let task = isFirst ? "classification" : try root.oneOf("task", tasks)
        let model = try model(root.child("model"))
        let head = isFirst ? nil : try HeadReader.read(root, task, model)
        let output = try output(root.child("output"), model, task, head)
        let labels = try root.child("labels").int("count", classes)
        guard labels == model.outputs else {
            throw BundleError("manifest: \(labels) labels for \(model.outputs) outputs")
        }
        return Manifest(
            model: model,
            target: try root.oneOf("target", ["coreml", "onnx", "executorch", "litert"]),
            precision: try root.text("precision"),
            computeUnits: root.has("coreml")
                ? try root.child("coreml").oneOf("compute_units", ["all", "cpuAndGPU"]) : nil,
            input: try input(root.child("input"), model, isFirst: isFirst),
            output: output,
            head: head,
            labelCount: labels,
            golden: try golden(root.child("golden"), output),
            files: try files(root)
        )
    }

    private static func model(_ json: JSONReader) throws -> Manifest.Model {
        let (height, width) = try size(json, "image_size")
        return Manifest.Model(
            name: try json.text("name"), outputs: try json.int("outputs", classes), height: height, width: width)
    }

    private static func input(_ json: JSONReader, _ model: Manifest.Model, isFirst: Bool) throws -> Manifest.Input {
        let bytes = try json.oneOf("dtype", ["float32", "uint8"]) == "uint8"
        let last = try json.oneOf("layout", ["NCHW", "NHWC"]) == "NHWC"
        // Version 1 knew colors only.
        let orders = ChannelOrder.allCases.filter { !isFirst || $0.channels == firstChannels }
        let named = try json.oneOf("channel_order", orders.map(\.rawValue))
        guard let order = ChannelOrder(rawValue: named) else { throw json.wrong("channel_order", "is unknown") }
        let channels = order.channels
        let shape = try json.ints("shape", count: 4, images)
        let expected: [Int?] = last ? [model.height, model.width, channels] : [channels, model.height, model.width]
        // Where any size may come, images of the manifest's own size do.
        let open: [Int?] = last ? [nil, nil, channels] : [channels, nil, nil]
        let taken = Array(shape.dropFirst())
        guard taken == expected || taken == open, bytes == last else {
            throw json.wrong("shape", "does not fit the image size: export the bundle again")
        }
        guard shape.reduce(1, { $0 * ($1 ?? 1) }) <= mostElements else { throw json.wrong("shape", "is too large") }
        guard (shape[0] ?? 1) == 1 else {
            throw json.wrong("shape", "is of several images at once: export the bundle with --batch 1")
        }
        let mean = isFirst ? [Double](repeating: 0, count: channels) : try json.numbers("mean", count: channels, means)
        let std = isFirst ? [Double](repeating: 1, count: channels) : try json.numbers("std", count: channels, stds)
        // Bytes come as they are: what else happens to them is inside the model.
        guard !bytes || (order != .bgr && mean.allSatisfy { $0 == 0 } && std.allSatisfy { $0 == 1 }) else {
            throw json.wrong("dtype", "is of bytes that are ordered or normalized: export the bundle again")
        }
        let scale = try json.positive("scale")
        let defined = bytes ? 1 : 1 / 255.0
        guard abs(scale - defined) <= scaleTolerance * defined else {
            throw json.wrong("scale", "is not \(defined): export the bundle again")
        }
        return Manifest.Input(
            name: try json.text("name", names),
            bytes: bytes,
            order: order,
            scale: scale,
            mean: mean,
            std: std,
            resize: try resize(json.child("resize"), model)
        )
    }

    private static func resize(_ json: JSONReader, _ model: Manifest.Model) throws -> Manifest.Resize {
        let (height, width) = try size(json, "cover", 1...(largestCover * sides.upperBound))
        guard (model.height...largestCover * model.height).contains(height),
            (model.width...largestCover * model.width).contains(width)
        else { throw json.wrong("cover", "does not fit the image size: export the bundle again") }
        let interpolation = try json.oneOf("interpolation", ["bilinear", "bicubic"])
        return Manifest.Resize(
            crop: try json.oneOf("rule", ["crop", "stretch"]) == "crop",
            interpolation: interpolation == "bicubic" ? .bicubic : .bilinear,
            coverHeight: height,
            coverWidth: width
        )
    }

    private static func output(
        _ json: JSONReader, _ model: Manifest.Model, _ task: String, _ head: Head?
    ) throws -> Manifest.Output {
        guard try head != nil || json.ints("shape", count: 2, classes)[1] == model.outputs else {
            throw json.wrong("shape", "does not fit the model: export the bundle again")
        }
        let activation = try json.oneOf("activation", ["none", "softmax", "sigmoid"])
        let scores: Scores
        switch (task, activation) {
        case _ where head != nil: scores = .ofAHead
        case ("embedding", _): scores = .features
        case (_, "softmax"), (_, "sigmoid"): scores = .probabilities
        case ("multilabel", _): scores = .independentLogits
        default: scores = .logits
        }
        return Manifest.Output(
            name: try json.text("name", names), count: try numbers(json, model, head), scores: scores)
    }

    /// Of one image's answer.
    private static func numbers(_ json: JSONReader, _ model: Manifest.Model, _ head: Head?) throws -> Int {
        guard let head else { return model.outputs }
        guard model.outputs <= mostHeadClasses else {
            throw json.wrong("shape", "is of \(model.outputs) classes, this app draws at most \(mostHeadClasses)")
        }
        let count: Int
        switch head {
        case .masks(let head): count = head.height * head.width * (head.answer == .labels ? 1 : model.outputs)
        case .boxes(let head): count = head.rows * (Boxes.values + model.outputs)
        }
        guard count <= mostNumbers else {
            throw json.wrong(
                "shape", "is of \(count) numbers, more than an app has memory for: export the model with --mask labels")
        }
        return count
    }

    private static func golden(_ json: JSONReader, _ output: Manifest.Output) throws -> Manifest.Golden {
        let rows = try json.int("rows", goldenSides)
        let columns = try json.int("columns", goldenSides)
        guard let pixels = Data(base64Encoded: try json.text("pixels_base64")), pixels.count == rows * columns * 3
        else { throw json.wrong("pixels_base64", "is no image of \(rows) x \(columns)") }
        let expected = try json.children("expected", most: mostExpected).map {
            Manifest.Expected(
                index: try $0.int("index", 0...(output.count - 1)),
                label: try $0.text("label", 0...Labels.longest),
                value: try $0.number("value"))
        }
        guard !expected.isEmpty else { throw json.wrong("expected", "is empty") }
        let tolerance = try json.positive("tolerance")
        guard tolerance <= largestTolerance else { throw json.wrong("tolerance", "allows everything") }
        return Manifest.Golden(
            rows: rows, columns: columns, pixels: [UInt8](pixels), expected: expected, tolerance: tolerance)
    }

    private static func files(_ root: JSONReader) throws -> [Manifest.BundleFile] {
        let files = try root.children("files", most: mostFiles).map(file)
        let paths = files.map(\.path)
        let models = Set(paths.filter { $0.hasPrefix(Manifest.modelPrefix) }.map { $0.prefix { $0 != "/" } })
        guard Set(paths).count == paths.count, paths.contains(Manifest.labelsName), models.count == 1
        else { throw root.wrong("files", "does not list labels and model once: export the bundle again") }
        return files
    }

    private static func file(_ json: JSONReader) throws -> Manifest.BundleFile {
        let path = try json.text("path", paths)
        guard isInside(path), path != Manifest.fileName else {
            throw json.wrong("path", "leads out of the bundle: \(path.prefix(80))")
        }
        let sha256 = try json.text("sha256")
        guard sha256.utf8.count == 64, sha256.utf8.allSatisfy({ isDigit($0) || (97...102).contains($0) }) else {
            throw json.wrong("sha256", "is no hash")
        }
        return Manifest.BundleFile(path: path, bytes: try json.int("bytes", 0...Int(Int32.max)), sha256: sha256)
    }

    /// Names of letters, digits, `_`, `.` and `-`, with `/` between; none begins with `.` or `-`.
    static func isInside(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.utf8.first, isPlain(first) else { return false }
            return part.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        isDigit(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }

    private static func size(
        _ json: JSONReader, _ key: String, _ allowed: ClosedRange<Int> = sides
    ) throws -> (Int, Int) {
        let found = try json.ints(key, count: 2, allowed)
        guard let height = found[0], let width = found[1] else { throw json.wrong(key, "lacks a side") }
        return (height, width)
    }
}
