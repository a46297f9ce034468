import Foundation

/// A bundle on the device whose files are there, of the sizes that its manifest lists.
///
/// The hashes of those that came with the app are not computed again: the system keeps them as they
/// were signed. `ModelStore` computes those of the others.
public struct ModelBundle: Sendable {
    public let folder: URL
    public let manifest: Manifest
    public let labels: [String]

    public var name: String { folder.lastPathComponent }

    public var model: URL { folder.appendingPathComponent(manifest.modelPath) }

    /// - Throws: `BundleError` if the folder holds no whole bundle.
    public init(folder: URL) throws {
        self.folder = folder
        manifest = try ManifestReader.read(ModelBundle.text(folder, Manifest.fileName, most: Manifest.maxBytes))
        for file in manifest.files {
            guard ModelBundle.size(folder.appendingPathComponent(file.path)) == file.bytes else {
                throw BundleError("\(file.path) is missing or incomplete: export or copy the bundle again")
            }
        }
        labels = try Labels.parse(
            ModelBundle.text(folder, Manifest.labelsName, most: Labels.maxBytes), count: manifest.labelCount)
    }

    /// Folders below `root` that have a manifest, by name.
    public static func folders(in root: URL) -> [URL] {
        let found = (try? FileManager.default.contentsOfDirectory(at: root, includingPropertiesForKeys: nil)) ?? []
        return found.filter { size($0.appendingPathComponent(Manifest.fileName)) != nil }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// Whether it is a regular file: no folder, and no link to somewhere else.
    static func isFile(_ file: URL) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
        return attributes?[.type] as? FileAttributeType == .typeRegular
    }

    private static func size(_ file: URL) -> Int? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
        return (attributes?[.size] as? NSNumber)?.intValue
    }

    private static func text(_ folder: URL, _ name: String, most: Int) throws -> String {
        let file = folder.appendingPathComponent(name)
        guard let size = size(file) else { throw BundleError("the bundle lacks \(name): export it again") }
        guard size <= most else { throw BundleError("\(name) is larger than \(most) bytes") }
        guard let data = try? Data(contentsOf: file), let text = String(data: data, encoding: .utf8) else {
            throw BundleError("\(name) is no text")
        }
        return text
    }
}
