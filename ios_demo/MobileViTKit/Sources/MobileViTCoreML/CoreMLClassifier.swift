#if canImport(CoreML)
    import CoreML
    import CoreVideo
    import Foundation
    import MobileViTKit

    /// What goes into a prediction, or comes out of one. Nobody changes it once it is made.
    public struct Features: @unchecked Sendable {
        let provider: MLFeatureProvider
    }

    /// A bundle of the target `coreml`, loaded on a choice of compute units.
    ///
    /// Core ML makes the dictionary of classes inside of each prediction, which no caller can turn off: it
    /// is part of every app's latency, and of this one's. What is read afterwards is the tensor.
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

        public func prepare(_ image: Pixels) throws -> Features {
            let buffer = manifest.input.order == .gray ? try image.grayBuffer() : try image.pixelBuffer()
            let value = MLFeatureValue(pixelBuffer: buffer)
            return Features(provider: try MLDictionaryFeatureProvider(dictionary: [manifest.input.name: value]))
        }

        public func run(_ input: Features) async throws -> Features {
            guard #available(iOS 17, macOS 14, *) else { return Features(provider: try synchronously(input.provider)) }
            let options = MLPredictionOptions()
            return Features(provider: try await model.prediction(from: input.provider, options: options))
        }

        public func numbers(_ outputs: Features) throws -> [Double] {
            guard let array = outputs.provider.featureValue(for: manifest.output.name)?.multiArrayValue else {
                throw BundleError("the model has no output called \(manifest.output.name): export the bundle again")
            }
            // In one pass, in whatever precision and with whatever gaps it lies in memory.
            return MLShapedArray<Float>(converting: array).scalars.map(Double.init)
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
