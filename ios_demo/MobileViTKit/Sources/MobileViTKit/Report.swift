import Foundation

/// `latency_report.v1.json`, which is the definition; Python reads it.
public struct LatencyReport: Encodable, Equatable, Sendable {
    public let schemaVersion = 1
    public let runs: [Run]

    public init(run: Run) { runs = [run] }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case runs
    }

    /// The report as JSON text.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .throw
        return try encoder.encode(self)
    }
}

/// Any text that a device or a stranger says of itself, made safe to print: no control characters,
/// of the length that the schema allows.
public struct Name: Encodable, Equatable, ExpressibleByStringLiteral, Sendable {
    private static let most = 200
    public let text: String

    public init(_ text: String) {
        let printable = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
        // The schema counts scalars, and a character may hold many.
        let short = String(String.UnicodeScalarView(String(printable).unicodeScalars.prefix(Name.most)))
        self.text = short.trimmingCharacters(in: .whitespaces).isEmpty ? "unknown" : short
    }

    public init(stringLiteral text: String) { self.init(text) }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A value that the schema wants written as null where there is none.
@propertyWrapper
public struct Nullable<Value: Encodable & Equatable>: Encodable, Equatable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}

extension Nullable: Sendable where Value: Sendable {}

public struct Run: Encodable, Equatable, Sendable {
    public struct Versioned: Encodable, Equatable, Sendable {
        public let name: Name
        public let version: Name

        public init(name: Name, version: Name) {
            self.name = name
            self.version = version
        }
    }

    public struct Device: Encodable, Equatable, Sendable {
        public let kind: String
        public let name: Name
        public let processor: Name
        public let cores: Int
        @Nullable public var memoryBytes: Int?

        public init(isSimulator: Bool, name: Name, processor: Name, cores: Int, memoryBytes: Int?) {
            kind = isSimulator ? "emulator" : "phone"
            self.name = name
            self.processor = processor
            self.cores = cores
            self.memoryBytes = memoryBytes
        }

        enum CodingKeys: String, CodingKey {
            case kind, name, processor, cores
            case memoryBytes = "memory_bytes"
        }
    }

    /// iOS gives no core to an app.
    struct Affinity: Encodable, Equatable, Sendable {
        @Nullable var asked: [Int]?
        @Nullable var inEffect: [Int]?

        enum CodingKeys: String, CodingKey {
            case asked
            case inEffect = "in_effect"
        }
    }

    struct Plan: Encodable, Equatable, Sendable {
        /// Rounds with a fresh model stand for processes: an app is one.
        let processes: Int
        @Nullable var seconds: Double?
        let warmUp: Int
        @Nullable var seed: Int?
        @Nullable var maxNoise: Double?
        @Nullable var digest: String?

        enum CodingKeys: String, CodingKey {
            case processes, seconds, seed, digest
            case warmUp = "warm_up"
            case maxNoise = "max_noise"
        }
    }

    let id: Name
    let tool: Versioned
    let created: String
    let device: Device
    let system: Versioned
    let versions: [String: Name]
    let affinity: Affinity
    let `protocol`: Plan
    @Nullable var calm: [Int]?
    public private(set) var flags: [Flag]
    public let rows: [LatencyRow]

    /// The same run with one more reason to doubt it.
    func flagged(_ flag: Flag) -> Run {
        var run = self
        run.flags.append(flag)
        return run
    }
}

/// A reason to doubt figures; the figures stay.
public struct Flag: Encodable, Equatable, Sendable {
    public enum Kind: String, Encodable, Sendable {
        case throttled
        case lowPower = "low_power"
        case interrupted
    }

    public let kind: Kind
    public let reason: Name
}

/// One bundle on one set of compute units: a series a round, or why there is none.
public struct LatencyRow: Encodable, Equatable, Sendable {
    struct Runtime: Encodable, Equatable, Sendable {
        let name: Name
        @Nullable var version: Name?
    }

    public let id: Name
    let experiment = "bundles"
    let measure = "latency"
    let subject: Subject
    let runtime: Runtime
    public let computeUnit: ComputeUnit
    @Nullable var threads: Int?
    @Nullable var limitRow: String?
    @Nullable public var notRun: Name?
    let coldStarts: [ColdStart]
    public let series: [Series]
    @Nullable var profile: String?

    enum CodingKeys: String, CodingKey {
        case id, experiment, measure, subject, runtime, threads, series, profile
        case computeUnit = "compute_unit"
        case limitRow = "limit_row"
        case notRun = "not_run"
        case coldStarts = "cold_starts"
    }
}

/// What a row is about.
struct Subject: Encodable, Equatable, Sendable {
    struct Artifact: Encodable, Equatable, Sendable {
        let name: Name
        let bytes: Int
        @Nullable var sha256: String?
    }

    let model: Name
    @Nullable var part: String?
    let target: String
    let precision: Name
    let imageSize: [Int]
    let batch: Int
    let attributes: [String: Name]
    @Nullable var parameters: Int?
    @Nullable var macs: Int?
    let artifact: Artifact
    @Nullable var top1: String?

    enum CodingKeys: String, CodingKey {
        case model, part, target, precision, batch, attributes, parameters, macs, artifact, top1
        case imageSize = "image_size"
    }

    init(_ manifest: Manifest, attributes: [String: Name]) {
        let files = manifest.files.filter { $0.path.hasPrefix(Manifest.modelPrefix) }
        model = Name(manifest.model.name)
        target = manifest.target
        precision = Name(manifest.precision)
        imageSize = [manifest.model.height, manifest.model.width]
        batch = 1
        self.attributes = attributes
        // A package is a folder: its hash would be one of a list that nobody has written down.
        artifact = Artifact(
            name: Name(manifest.modelPath), bytes: files.map(\.bytes).reduce(0, +),
            sha256: files.count == 1 ? files[0].sha256 : nil)
    }
}

/// Where Core ML may run a model.
public enum ComputeUnit: String, Encodable, CaseIterable, Sendable {
    case all
    case cpu
    case cpuAndGPU = "cpu_and_gpu"
    case cpuAndNeuralEngine = "cpu_and_npu"
}

/// The first load of the model and its first inference, in nanoseconds.
public struct ColdStart: Encodable, Equatable, Sendable {
    let process = 0
    public let loadNs: Int
    public let firstInferenceNs: Int
    @Nullable var memoryBefore: Int?
    @Nullable var peakMemory: Int?

    init(loadNs: Int, firstInferenceNs: Int) {
        self.loadNs = loadNs
        self.firstInferenceNs = firstInferenceNs
    }

    enum CodingKeys: String, CodingKey {
        case process
        case loadNs = "load_ns"
        case firstInferenceNs = "first_inference_ns"
        case memoryBefore = "memory_before_bytes"
        case peakMemory = "peak_memory_bytes"
    }
}

/// One round with a freshly loaded model; times in nanoseconds.
public struct Series: Encodable, Equatable, Sendable {
    let process: Int
    @Nullable var group: String?
    let position = 0
    let started: String
    let warmUpNs: [Int]
    public let samplesNs: [Int]
    @Nullable var threads: Int?
    @Nullable var affinity: [Int]?
    @Nullable var involuntarySwitches: Int?
    public let before: DeviceState
    public let after: DeviceState
    public let flags: [Flag]

    enum CodingKeys: String, CodingKey {
        case process, group, position, started, threads, affinity, before, after, flags
        case warmUpNs = "warm_up_ns"
        case samplesNs = "samples_ns"
        case involuntarySwitches = "involuntary_switches"
    }
}

/// Nil where the system does not tell; iOS never tells its clock.
public struct DeviceState: Encodable, Equatable, Sendable {
    @Nullable var clockMHz: Double?
    @Nullable public var thermal: ThermalState?
    @Nullable public var batteryPercent: Double?
    @Nullable public var charging: Bool?
    @Nullable public var lowPower: Bool?

    public init(thermal: ThermalState?, batteryPercent: Double?, charging: Bool?, lowPower: Bool?) {
        self.thermal = thermal
        self.batteryPercent = batteryPercent
        self.charging = charging
        self.lowPower = lowPower
    }

    enum CodingKeys: String, CodingKey {
        case thermal, charging
        case clockMHz = "clock_mhz"
        case batteryPercent = "battery_percent"
        case lowPower = "low_power"
    }
}

/// `ProcessInfo.ThermalState`, from the coolest.
public enum ThermalState: String, Encodable, CaseIterable, Sendable {
    case nominal, fair, serious, critical
}
