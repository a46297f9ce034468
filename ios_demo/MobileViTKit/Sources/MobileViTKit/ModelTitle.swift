import Foundation

/// What a person reads of a model: `name`, such as `MobileViTv2 0.5`, and `detail` below it.
public struct ModelTitle: Equatable, Sendable {
    public let name: String
    public let detail: String

    private static let targets = ["coreml": "Core ML", "onnx": "ONNX", "executorch": "ExecuTorch", "litert": "LiteRT"]
    private static let sizes: Set<Substring> = ["xxs", "xs", "s"]
    private static let megabyte = 1e6

    public init(_ manifest: Manifest) {
        let megabytes = String(format: "%.1f MB", Double(manifest.modelBytes) / ModelTitle.megabyte)
        let size = "\(manifest.model.height) × \(manifest.model.width)"
        let target = ModelTitle.targets[manifest.target] ?? manifest.target
        name = ModelTitle.name(manifest.model.name)
        detail = [target, manifest.precision, size, megabytes].joined(separator: " · ")
    }

    /// Of a model that nothing else is known of.
    public init(name: String) {
        self.name = name
        detail = ""
    }

    /// `mobilevitv2_050` as `MobileViTv2 0.5`; any other name as it is.
    static func name(_ model: String) -> String {
        let change = model.firstIndex(of: "+") ?? model.endIndex
        let parts = model[..<change].split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 2 || (parts.count == 3 && parts[2] == "l2"), let first = parts.first,
            ["mobilevit", "mobilevitv2", "mobilevitv3"].contains(first), let shown = size(parts[1])
        else { return model }
        let layers = parts.count == 3 ? " L2" : ""
        return "MobileViT\(first.dropFirst("mobilevit".count)) \(shown)\(layers)\(model[change...])"
    }

    private static func size(_ part: Substring) -> String? {
        if sizes.contains(part) { return part.uppercased() }
        guard part.count == 3, let percent = Int(part), part.first?.isNumber == true else { return nil }
        let text = String(format: "%.2f", Double(percent) / 100)
        return text.hasSuffix("0") ? String(text.dropLast()) : text
    }
}
