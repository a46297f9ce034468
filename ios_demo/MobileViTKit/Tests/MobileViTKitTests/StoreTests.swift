import Foundation
import XCTest

@testable import MobileViTKit

/// What the app keeps: models that a person adds, reports of measurements.
final class StoreTests: XCTestCase {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    private var source: URL { root.appendingPathComponent("from/my model") }

    override func setUpWithError() throws {
        let from = source.deletingLastPathComponent()
        try FileManager.default.createDirectory(at: from, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: Vectors.folder("VECTORS").appendingPathComponent("bundle"), to: source)
    }

    override func tearDown() {
        try? FileManager.default.removeItem(at: root)
    }

    /// A store whose hashes are those of the good bundle's files, by their sizes.
    private func store() throws -> ModelStore {
        let known = Dictionary(
            try Vectors.manifest().files.map { ($0.bytes, $0.sha256) }, uniquingKeysWith: { first, _ in first })
        return ModelStore(root: root.appendingPathComponent("Models")) { file in
            let data = try Data(contentsOf: file)
            let isDamaged = data.last == UInt8(ascii: "!")
            return isDamaged ? "damaged" : known[data.count] ?? "unknown"
        }
    }

    func testAFolderThatAPersonChoosesIsCopiedAndDeleted() throws {
        let store = try store()
        XCTAssertEqual(store.folders(), [])
        try Data("mine".utf8).write(to: source.appendingPathComponent("notes.txt"))
        let bundle = try store.add(source)
        XCTAssertEqual(bundle.name, "my_model")
        // Nothing but what the manifest lists, and the source stays.
        let copied = try FileManager.default.contentsOfDirectory(atPath: bundle.folder.path)
        XCTAssertEqual(Set(copied), ["manifest.json", "labels.txt", "model.onnx"])
        XCTAssertNoThrow(try ModelBundle(folder: source))
        _ = try store.add(source)
        XCTAssertEqual(store.folders().map(\.lastPathComponent), ["my_model"])
        store.delete("../from")
        store.delete("my_model")
        store.delete("my_model")
        XCTAssertEqual(store.folders(), [])
        XCTAssertNoThrow(try ModelBundle(folder: source))
    }

    func testWhatIsNoWholeBundleIsRefusedAndLeavesNothing() throws {
        let store = try store()
        let labels = source.appendingPathComponent("labels.txt")
        let good = try Data(contentsOf: labels)
        // Of the same size, and not what was exported.
        try (good.dropLast() + [UInt8(ascii: "!")]).write(to: labels)
        XCTAssertThrowsError(try store.add(source)) { XCTAssertTrue("\($0)".contains("not the file"), "\($0)") }
        let elsewhere = root.appendingPathComponent("elsewhere.txt")
        try good.write(to: elsewhere)
        try FileManager.default.removeItem(at: labels)
        try FileManager.default.createSymbolicLink(at: labels, withDestinationURL: elsewhere)
        XCTAssertThrowsError(try store.add(source))
        try FileManager.default.removeItem(at: labels)
        XCTAssertThrowsError(try store.add(source)) { XCTAssertTrue("\($0)".contains("labels.txt"), "\($0)") }
        XCTAssertThrowsError(try store.add(root)) { XCTAssertTrue("\($0)".contains("manifest.json"), "\($0)") }
        XCTAssertEqual(store.folders(), [])
        let left = try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Models").path)
        XCTAssertEqual(left ?? [], [])
    }

    func testNamesOfFoldersArePlain() {
        let names = ["a-b_c.1": "a-b_c.1", "..": "bundle", "-x": "x", "größe 2": "gr__e_2", "": "bundle"]
        for (folder, name) in names { XCTAssertEqual(ModelStore.name(folder), name) }
        XCTAssertEqual(ModelStore.name(String(repeating: "x", count: 150)).count, 100)
    }

    func testWhatTheAppDidNotLiveToFinishIsAReportThatSaysSo() throws {
        let folder = root.appendingPathComponent("reports")
        let store = ReportStore(folder: folder)
        let run = try empty()
        try store.keep("first", run)
        try store.keep("second", run)
        let file = try store.finish("second", run)
        XCTAssertFalse(try String(contentsOf: file, encoding: .utf8).contains("interrupted"))
        let recovered = store.recover()
        XCTAssertEqual(recovered.map(\.lastPathComponent), ["first.json"])
        XCTAssertTrue(try String(contentsOf: recovered[0], encoding: .utf8).contains("the app ended before"))
        XCTAssertEqual(store.recover(), [])
    }

    func testAFolderThatCannotBeWrittenIsARefusalInWords() throws {
        let file = root.appendingPathComponent("reports")
        try Data("a file in its place".utf8).write(to: file)
        let run = try empty()
        XCTAssertThrowsError(try ReportStore(folder: file).finish("first", run)) {
            XCTAssertTrue("\($0)".contains("storage"), "\($0)")
        }
    }

    private func empty() throws -> Run {
        let told = Run.Versioned(name: "played", version: "1")
        let device = Run.Device(isSimulator: false, name: "a", processor: "b", cores: 6, memoryBytes: nil)
        return Run(
            id: "a", tool: told, created: "2026-01-31T12:00:00Z", device: device, system: told, versions: [:],
            affinity: Run.Affinity(asked: nil, inEffect: nil),
            protocol: Run.Plan(processes: 1, seconds: nil, warmUp: 1, seed: nil, maxNoise: nil, digest: nil),
            calm: nil, flags: [], rows: [])
    }
}
