// What the app uses of SwiftUI and Combine, with the types alone.
@_exported import UIKit

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
    public static func buildEither<First: View>(first: First) -> First { first }
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

public struct Picker<Choice: Hashable, Content: View>: Leaf {
    public init(_ title: String, selection: Binding<Choice>, @ViewBuilder content: () -> Content) {}
}

public struct Button: Leaf {
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

public struct Font {
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
