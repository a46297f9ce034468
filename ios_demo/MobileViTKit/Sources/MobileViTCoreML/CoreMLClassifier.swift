#if canImport(CoreML)
    import CoreML
    import CoreVideo
    import Foundation
    import MobileViTKit

    /// A bundle of the target `coreml`, loaded on a choice of compute units.
    public final class CoreMLClassifier: Classifier, @unchecked Sendable {
        private let model: MLModel
        private let manifest: Manifest

        private init(_ model: MLModel, _ manifest: Manifest) {
            self.model = model
            self.manifest = manifest
        }

        /// - Throws: `BundleError` if Core ML refuses the model.
        public static func load(
            _ bundle: ModelBundle, on units: ComputeUnit, cache: ModelCache
        ) async throws -> CoreMLClassifier {
            let compiled = try await cache.compiled(bundle)
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units.coreML
            do {
                let model = try await MLModel.load(contentsOf: compiled, configuration: configuration)
                return CoreMLClassifier(model, bundle.manifest)
            } catch {
                throw BundleError("Core ML cannot load the model: \(error.localizedDescription)")
            }
        }

        public func prepare(_ image: Pixels) throws -> MLFeatureProvider {
            let buffer = manifest.input.order == .gray ? try image.grayBuffer() : try image.pixelBuffer()
            let value = MLFeatureValue(pixelBuffer: buffer)
            return try MLDictionaryFeatureProvider(dictionary: [manifest.input.name: value])
        }

        public func run(_ input: MLFeatureProvider) async throws -> [Double] {
            let answer: MLFeatureProvider
            if #available(iOS 17, macOS 14, *) {
                answer = try await model.prediction(from: input, options: MLPredictionOptions())
            } else {
                answer = try synchronously(input)
            }
            guard let outputs = answer.featureValue(for: manifest.output.name)?.multiArrayValue else {
                throw BundleError("the model has no output called \(manifest.output.name): export the bundle again")
            }
            return (0..<outputs.count).map { outputs[$0].doubleValue }
        }

        /// Apart: inside an `async` function the name would mean the newer, asynchronous method.
        private func synchronously(_ input: MLFeatureProvider) throws -> MLFeatureProvider {
            try model.prediction(from: input)
        }
    }

    extension ComputeUnit {
        /// The manifest's word for where to begin.
        public init(manifest: Manifest) {
            self = manifest.computeUnits == "cpuAndGPU" ? .cpuAndGPU : .all
        }

        var coreML: MLComputeUnits {
            switch self {
            case .all: return .all
            case .cpu: return .cpuOnly
            case .cpuAndGPU: return .cpuAndGPU
            case .cpuAndNeuralEngine: return .cpuAndNeuralEngine
            }
        }
    }
#endif
