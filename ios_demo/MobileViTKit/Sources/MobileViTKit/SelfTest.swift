import Foundation

/// Whether a model on this device answers as it did when it was made.
public enum SelfTest {
    /// The golden image at the model's size.
    public static func image(_ manifest: Manifest) -> Pixels {
        Pixels(width: manifest.golden.columns, height: manifest.golden.rows, rgb: manifest.golden.pixels)
            .enlarged(width: manifest.model.width, height: manifest.model.height)
    }

    /// Why `outputs`, the model's answer to `image`, are not the expected ones; nil if they are.
    public static func failure(_ manifest: Manifest, outputs: [Double]) -> String? {
        let golden = manifest.golden
        guard outputs.count == manifest.output.count else {
            return "the model gives \(outputs.count) outputs, its manifest says \(manifest.output.count)"
        }
        let differences = golden.expected.map { abs(outputs[$0.index] - $0.value) }
        // NaN compares false: it must not pass.
        guard differences.allSatisfy({ $0 <= golden.tolerance }) else {
            let worst = differences.max() ?? .nan
            return "the self-test differs by \(worst) on this device, allowed is \(golden.tolerance)"
        }
        // Those of a head are some of many.
        guard manifest.head == nil else { return nil }
        // The expected ones are the best: no other class may stand above the last of them.
        let chosen = Set(golden.expected.map(\.index))
        let last = golden.expected.map(\.value).min() ?? 0
        let above = outputs.indices.first { !chosen.contains($0) && !(outputs[$0] <= last + golden.tolerance) }
        return above.map { "the self-test finds class \($0) on this device, which is not among the best" }
    }
}
