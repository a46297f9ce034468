public struct UTType: Sendable {
    public static let folder = UTType()
}
