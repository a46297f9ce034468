import Foundation
import MobileViTCoreML
import MobileViTKit

/// What a model says of one image; `milliseconds` is its own time.
struct Answer: Sendable {
    let finding: Finding
    let milliseconds: Double
}

/// A model that has passed its self-test on this device: there is none of one that has not.
actor Recognizer {
    /// How many classes are shown, and how many of those that a photo's mask or boxes have.
    static let shown = 5
    static let legend = 20

    private let classifier: CoreMLClassifier
    private let preprocessor: Preprocessor
    private let interpreter: Interpreter

    /// - Throws: `BundleError` if the model cannot be loaded, or does not answer as when it was exported.
    init(_ bundle: ModelBundle, cache: ModelCache) async throws {
        guard bundle.manifest.output.scores != .features else {
            throw BundleError("the model gives features, and this app shows classes: it can only be measured")
        }
        classifier = try await Recognizer.tested(bundle, cache: cache)
        interpreter = Interpreter(bundle.manifest, labels: bundle.labels)
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

    /// What the model says of an upright image of any size; a mask's longer side is at most `mostSide`.
    ///
    /// - Throws: `BundleError` if Core ML fails, or answers with other than finite numbers.
    func recognize(_ image: Pixels, mostSide: Int) async throws -> Answer {
        let input = try classifier.prepare(preprocessor.resize(image))
        let start = DispatchTime.now().uptimeNanoseconds
        let answered = try await classifier.run(input)
        let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
        let outputs = try classifier.numbers(answered)
        let finding = try interpreter.finding(
            outputs, width: image.width, height: image.height, mostSide: mostSide)
        return Answer(finding: finding, milliseconds: elapsed)
    }

    /// What a screen shows of a finding: classes, or at most `legend` of what is drawn over the image.
    nonisolated func show(_ finding: Finding, legend: Int) -> Shown {
        if case .classes = finding { return interpreter.show(finding, rows: Recognizer.shown) }
        return interpreter.show(finding, rows: legend)
    }
}
