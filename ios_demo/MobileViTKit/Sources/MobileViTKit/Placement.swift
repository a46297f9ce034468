import Foundation

/// How many of a network's operators Core ML would run where.
public struct Placement: Equatable, Sendable {
    public let neuralEngine: Int
    public let gpu: Int
    public let cpu: Int

    public init(neuralEngine: Int, gpu: Int, cpu: Int) {
        (self.neuralEngine, self.gpu, self.cpu) = (neuralEngine, gpu, cpu)
    }

    /// What `place` says of each title and choice of units, in words. It cannot fail: the measurement that these notes
    /// stand below has succeeded, whatever comes after it.
    ///
    /// - Parameter place: nil where the system does not tell.
    public static func notes<Model: Sendable>(
        of models: [(title: ModelTitle, model: Model)], on units: [ComputeUnit],
        place: @Sendable (Model, ComputeUnit) async throws -> Placement?
    ) async -> [String] {
        var notes: [String] = []
        for (title, model) in models {
            for unit in units {
                do {
                    guard let placed = try await place(model, unit) else { continue }
                    notes.append("\(title.name), \(unit.label): \(placed.words)")
                } catch {
                    notes.append("\(title.name), \(unit.label): \(error.localizedDescription)")
                }
            }
        }
        return notes
    }

    private var words: String { "\(neuralEngine) operators on the Neural Engine, \(gpu) on the GPU, \(cpu) on the CPU" }
}

extension ComputeUnit {
    /// For people.
    public var label: String {
        switch self {
        case .all: return "All"
        case .cpu: return "CPU"
        case .cpuAndGPU: return "CPU and GPU"
        case .cpuAndNeuralEngine: return "CPU and Neural Engine"
        }
    }
}
