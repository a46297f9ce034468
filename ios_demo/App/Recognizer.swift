import Foundation
import MobileViTCoreML
import MobileViTKit

/// Probabilities of all classes for one image; `milliseconds` is the model's own time.
struct Answer: Sendable {
    let probabilities: [Double]
    let milliseconds: Double
}

/// A model that has passed its self-test on this device: there is none of one that has not.
actor Recognizer {
    /// How many classes are shown.
    static let shown = 5

    private let bundle: ModelBundle
    private let classifier: CoreMLClassifier
    private let preprocessor: Preprocessor

    /// - Throws: `BundleError` if the model cannot be loaded, or does not answer as when it was exported.
    init(_ bundle: ModelBundle, cache: ModelCache) async throws {
        guard bundle.manifest.output.scores != .features else {
            throw BundleError("the model gives features, and this app shows classes: it can only be measured")
        }
        classifier = try await Recognizer.tested(bundle, cache: cache)
        self.bundle = bundle
        preprocessor = Preprocessor(model: bundle.manifest.model, input: bundle.manifest.input)
    }

    /// - Throws: `BundleError` if the model cannot be loaded, or does not answer as when it was exported.
    @discardableResult
    static func tested(_ bundle: ModelBundle, cache: ModelCache) async throws -> CoreMLClassifier {
        let units = ComputeUnit(manifest: bundle.manifest)
        let loaded = try await CoreMLClassifier.load(bundle, on: units, cache: cache)
        let outputs = try await loaded.run(loaded.prepare(SelfTest.image(bundle.manifest)))
        if let failure = SelfTest.failure(bundle.manifest, outputs: try loaded.numbers(outputs)) {
            throw BundleError("\(failure); no predictions are shown")
        }
        return loaded
    }

    /// What the model says of an upright image of any size.
    ///
    /// - Throws: `BundleError` if Core ML fails, or answers with other than finite numbers.
    func recognize(_ image: Pixels) async throws -> Answer {
        let input = try classifier.prepare(preprocessor.resize(image))
        let start = DispatchTime.now().uptimeNanoseconds
        let answered = try await classifier.run(input)
        let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
        let outputs = try classifier.numbers(answered)
        let count = bundle.manifest.model.outputs
        guard outputs.count == count, outputs.allSatisfy(\.isFinite) else {
            throw BundleError("the model's answer to this image is no list of \(count) finite numbers")
        }
        return Answer(
            probabilities: TopClasses.probabilities(outputs, bundle.manifest.output.scores), milliseconds: elapsed)
    }

    /// The best classes, best first.
    nonisolated func best(_ probabilities: [Double]) -> [ClassScore] {
        TopClasses.of(probabilities, labels: bundle.labels, count: Recognizer.shown)
    }
}
