#if canImport(CoreML)
    import CoreML
    import Foundation
    import MobileViTKit

    extension Placement {
        /// Nil where the system does not tell: before iOS 17.4.
        ///
        /// - Throws: `BundleError` if Core ML refuses the model.
        public static func of(_ bundle: ModelBundle, on units: ComputeUnit, cache: ModelCache) async throws
            -> Placement?
        {
            guard #available(iOS 17.4, macOS 14.4, *) else { return nil }
            let compiled = try await cache.compiled(bundle)
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units.coreML
            let plan: MLComputePlan
            do {
                plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
            } catch {
                throw BundleError("Core ML has no plan for the model: \(error.localizedDescription)")
            }
            guard case .program(let program) = plan.modelStructure, let main = program.functions["main"] else {
                return nil
            }
            var (neuralEngine, gpu, cpu) = (0, 0, 0)
            for operation in main.block.operations {
                // Constants run nowhere.
                guard let usage = plan.deviceUsage(for: operation) else { continue }
                switch usage.preferred {
                case .neuralEngine: neuralEngine += 1
                case .gpu: gpu += 1
                case .cpu: cpu += 1
                @unknown default: break
                }
            }
            return Placement(neuralEngine: neuralEngine, gpu: gpu, cpu: cpu)
        }
    }
#endif
