import Foundation
import MobileViTCoreML
import MobileViTKit

/// The best classes of one photo, best first; `milliseconds` is the model's own time.
struct Answer: Equatable, Sendable {
    let classes: [ClassScore]
    let milliseconds: Double
}

/// A model that has passed its self-test on this device: there is none of one that has not.
actor Recognizer {
    private static let shown = 5

    private let bundle: ModelBundle
    private let classifier: CoreMLClassifier
    private let preprocessor: Preprocessor

    /// - Throws: `BundleError` if the model cannot be loaded, or does not answer as when it was exported.
    init(_ bundle: ModelBundle, cache: ModelCache) async throws {
        guard bundle.manifest.output.scores != .features else {
            throw BundleError("the model gives features, and this app shows classes: it can only be measured")
        }
        let units = ComputeUnit(manifest: bundle.manifest)
        let loaded = try await CoreMLClassifier.load(bundle, on: units, cache: cache)
        let outputs = try await loaded.run(loaded.prepare(SelfTest.image(bundle.manifest)))
        if let failure = SelfTest.failure(bundle.manifest, outputs: outputs) {
            throw BundleError("\(failure); no predictions are shown")
        }
        self.bundle = bundle
        classifier = loaded
        preprocessor = Preprocessor(model: bundle.manifest.model, input: bundle.manifest.input)
    }

    /// The best classes for an upright image of any size.
    func recognize(_ image: Pixels) async throws -> Answer {
        let input = try classifier.prepare(preprocessor.resize(image))
        let start = DispatchTime.now().uptimeNanoseconds
        let outputs = try await classifier.run(input)
        let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
        let classes = TopClasses.of(
            outputs, labels: bundle.labels, scores: bundle.manifest.output.scores, count: Recognizer.shown)
        return Answer(classes: classes, milliseconds: elapsed)
    }
}
