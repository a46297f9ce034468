@_exported import CoreVideo
@_exported import Foundation

public enum MLComputeUnits {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

public final class MLModelConfiguration {
    public var computeUnits: MLComputeUnits = .all

    public init() {}
}

public final class MLMultiArray {
    public var count: Int { fatalError("a stub") }

    public subscript(index: Int) -> NSNumber { fatalError("a stub") }
}

public struct MLShapedArray<Scalar> {
    public init(converting array: MLMultiArray) {}

    public var scalars: [Scalar] { fatalError("a stub") }
}

public final class MLFeatureValue {
    public init(pixelBuffer: CVPixelBuffer) {}

    public var multiArrayValue: MLMultiArray? { fatalError("a stub") }
}

public protocol MLFeatureProvider {
    func featureValue(for name: String) -> MLFeatureValue?
}

public final class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}

    public func featureValue(for name: String) -> MLFeatureValue? { fatalError("a stub") }
}

public final class MLPredictionOptions {
    public init() {}
}

public final class MLModel {
    public static func compileModel(at url: URL) async throws -> URL { fatalError("a stub") }

    public static func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLModel {
        fatalError("a stub")
    }

    public func prediction(from input: MLFeatureProvider) throws -> MLFeatureProvider { fatalError("a stub") }

    public func prediction(
        from input: MLFeatureProvider, options: MLPredictionOptions
    ) async throws -> MLFeatureProvider { fatalError("a stub") }
}

public enum MLComputeDevice {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}

public final class MLCPUComputeDevice {}
public final class MLGPUComputeDevice {}
public final class MLNeuralEngineComputeDevice {}

public enum MLModelStructure {
    case program(Program)
    case unsupported

    public struct Program {
        public struct Function {
            public let block: Block
        }

        public struct Block {
            public let operations: [Operation]
        }

        public struct Operation {}

        public let functions: [String: Function]
    }
}

public final class MLComputePlan {
    public struct DeviceUsage {
        public let preferred: MLComputeDevice
    }

    public var modelStructure: MLModelStructure { fatalError("a stub") }

    public static func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLComputePlan {
        fatalError("a stub")
    }

    public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { fatalError("a stub") }
}
