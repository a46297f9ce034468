// What the app uses of SwiftUI and Combine, with the types alone.
@_exported import UIKit
import UniformTypeIdentifiers

@MainActor
public protocol View {
    associatedtype Body: View

    @ViewBuilder var body: Body { get }
}

extension Never: View {
    public var body: Never { fatalError("a stub") }
}

/// A view without a body of its own.
public protocol Leaf: View where Body == Never {}

extension Leaf {
    public var body: Never { fatalError("a stub") }
}

public struct Several: Leaf {}

extension Optional: View where Wrapped: View {
    public var body: Never { fatalError("a stub") }
}

@resultBuilder
@MainActor
public struct ViewBuilder {
    public static func buildBlock() -> Several { Several() }
    public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> Several { Several() }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
    public static func buildEither(second: some View) -> Several { Several() }
    public static func buildEither(first: some View) -> Several { Several() }
}

public struct Text: Leaf {
    public init(_ text: some StringProtocol) {}
}

public struct Spacer: Leaf {
    public init() {}
}

public struct VStack<Content: View>: Leaf {
    public enum Alignment {
        case leading, center
    }

    public init(alignment: Alignment = .center, @ViewBuilder content: () -> Content) {}
}

public struct HStack<Content: View>: Leaf {
    public init(@ViewBuilder content: () -> Content) {}
}

public struct List<Content: View>: Leaf {
    public init(@ViewBuilder content: () -> Content) {}
}

public struct Section<Content: View>: Leaf {
    public init(_ title: String, @ViewBuilder content: () -> Content) {}
    public init(@ViewBuilder content: () -> Content) {}
}

public struct TabView<Content: View>: Leaf {
    public init(@ViewBuilder content: () -> Content) {}
}

public struct Label: Leaf {
    public init(_ title: String, systemImage: String) {}
}

public struct Image: Leaf {
    public init(decorative image: CGImage, scale: CGFloat) {}

    public func resizable() -> Image { self }
}

public struct Color: Leaf, Sendable {
    public static let black = Color(red: 0, green: 0, blue: 0)
    public static let white = Color(red: 1, green: 1, blue: 1)

    public nonisolated init(red: Double, green: Double, blue: Double) {}
}

public struct Rectangle: Leaf {
    public nonisolated init() {}

    public func stroke(_ color: Color, lineWidth: CGFloat) -> some View { self }
}

public struct ZStack<Content: View>: Leaf {
    public init(@ViewBuilder content: () -> Content) {}
}

public enum FrameAlignment {
    case leading, center
}

public struct HStackLayout {
    public init() {}
}

public struct VStackLayout {
    public init() {}
}

@MainActor
public struct AnyLayout {
    public init(_ layout: HStackLayout) {}
    public init(_ layout: VStackLayout) {}

    public func callAsFunction<Content: View>(@ViewBuilder _ content: () -> Content) -> some View { Several() }
}

public struct GeometryProxy {
    public var size: CGSize { fatalError("a stub") }
}

public struct GeometryReader<Content: View>: Leaf {
    public init(@ViewBuilder content: @escaping (GeometryProxy) -> Content) {}
}

public struct Path: Leaf {
    public init(_ make: (inout Path) -> Void) {}

    public mutating func move(to point: CGPoint) {}
    public mutating func addLine(to point: CGPoint) {}
    public func stroke(lineWidth: CGFloat) -> some View { self }
}

public enum ScenePhase: Sendable {
    case background, inactive, active
}

public enum UserInterfaceSizeClass: Sendable {
    case compact, regular
}

public struct EnvironmentValues {
    public var scenePhase: ScenePhase { fatalError("a stub") }
    public var verticalSizeClass: UserInterfaceSizeClass? { fatalError("a stub") }
}

@propertyWrapper
public struct Environment<Value> {
    public var wrappedValue: Value { fatalError("a stub") }

    public init(_ path: KeyPath<EnvironmentValues, Value>) {}
}

public struct NavigationStack<Content: View>: Leaf {
    public init(@ViewBuilder root: () -> Content) {}
}

public struct NavigationLink<Destination: View>: Leaf {
    public init(_ title: String, @ViewBuilder destination: () -> Destination) {}
}

public struct ForEach<Values: RandomAccessCollection, ID: Hashable, Content: View>: Leaf {
    public init(
        _ values: Values, id: KeyPath<Values.Element, ID>, @ViewBuilder content: @escaping (Values.Element) -> Content
    ) {}
}

extension ForEach where Values.Element: Identifiable, ID == Values.Element.ID {
    public init(_ values: Values, @ViewBuilder content: @escaping (Values.Element) -> Content) {}
}

public struct Picker<Choice: Hashable, Content: View>: Leaf {
    public init(_ title: String, selection: Binding<Choice>, @ViewBuilder content: () -> Content) {}
}

public enum ButtonRole: Sendable {
    case destructive, cancel
}

public struct Button: Leaf {
    public init(_ title: String, role: ButtonRole?, action: @escaping @MainActor () -> Void) {}
    public init(_ title: String, action: @escaping @MainActor () -> Void) {}
}

public struct Toggle: Leaf {
    public init(_ title: String, isOn: Binding<Bool>) {}
}

public struct Stepper: Leaf {
    public init<Value: Strideable>(
        _ title: String, value: Binding<Value>, in range: ClosedRange<Value>, step: Value.Stride = 1
    ) {}
}

public struct ProgressView: Leaf {
    public init() {}
    public init(value: Double?, @ViewBuilder label: () -> some View) {}
}

public struct ShareLink: Leaf {
    public init(_ title: String, item: URL) {}
}

public struct Font: Sendable {
    public static let footnote = Font()
}

/// Of Combine.
public struct Publisher<Output> {}

extension NotificationCenter {
    public func publisher(for name: Notification.Name) -> Publisher<Notification> { fatalError("a stub") }
}

extension View {
    public func navigationTitle(_ title: String) -> some View { self }
    public func task(_ action: @escaping @MainActor () async -> Void) -> some View { self }
    public func task<ID: Equatable>(id: ID, _ action: @escaping @MainActor () async -> Void) -> some View { self }
    public func onDisappear(perform action: @escaping @MainActor () -> Void) -> some View { self }
    public func onReceive<Output>(
        _ publisher: Publisher<Output>, perform action: @escaping @MainActor (Output) -> Void
    ) -> some View { self }
    public func tag(_ tag: some Hashable) -> some View { self }
    public func disabled(_ disabled: Bool) -> some View { self }
    public func font(_ font: Font?) -> some View { self }
    public func padding() -> some View { self }
    public func frame(height: CGFloat?) -> some View { self }
    public func frame(width: CGFloat?, height: CGFloat?, alignment: FrameAlignment = .center) -> some View { self }
    public func position(x: CGFloat, y: CGFloat) -> some View { self }
    public func scaleEffect(x: CGFloat, y: CGFloat) -> some View { self }
    public func overlay(@ViewBuilder content: () -> some View) -> some View { self }
    public func background(_ color: Color) -> some View { self }
    public func foregroundColor(_ color: Color?) -> some View { self }
    public func lineLimit(_ number: Int?) -> some View { self }
    public func fixedSize() -> some View { self }
    public func accessibilityHidden(_ hidden: Bool) -> some View { self }
    public func scaledToFit() -> some View { self }
    public func tabItem(@ViewBuilder _ label: () -> some View) -> some View { self }
    public func swipeActions(@ViewBuilder content: () -> some View) -> some View { self }
    public func refreshable(action: @escaping @MainActor @Sendable () async -> Void) -> some View { self }
    public func fileImporter(
        isPresented: Binding<Bool>, allowedContentTypes: [UTType],
        onCompletion: @escaping @MainActor (Result<URL, any Error>) -> Void
    ) -> some View { self }
    public func accessibilityLabel(_ label: Text) -> some View { self }
    public func accessibilityHint(_ hint: Text) -> some View { self }
}

@MainActor
public protocol UIViewRepresentable: Leaf {
    associatedtype UIViewType: UIView

    func makeUIView(context: Context) -> UIViewType
    func updateUIView(_ view: UIViewType, context: Context)
}

extension UIViewRepresentable {
    public typealias Context = UIViewRepresentableContext
}

public struct UIViewRepresentableContext {}

public protocol Scene {}

extension Scene {
    @MainActor
    public func onChange<Value: Equatable>(of value: Value, perform action: @escaping @MainActor (Value) -> Void) -> some Scene {
        self
    }
}

public struct WindowGroup<Content: View>: Scene {
    @MainActor
    public init(@ViewBuilder content: @escaping () -> Content) {}
}

@MainActor
public protocol App {
    associatedtype Body: Scene

    var body: Body { get }

    init()
}

extension App {
    public static func main() {}
}
