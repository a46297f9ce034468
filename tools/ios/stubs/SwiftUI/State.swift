import Foundation

public protocol ObservableObject: AnyObject {}

@propertyWrapper
public struct Published<Value> {
    public var wrappedValue: Value

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
}

@propertyWrapper
@dynamicMemberLookup
public struct Binding<Value> {
    public var wrappedValue: Value {
        get { fatalError("a stub") }
        nonmutating set {}
    }

    public var projectedValue: Binding<Value> { self }

    public init(get: @escaping @MainActor () -> Value, set: @escaping @MainActor (Value) -> Void) {}

    public subscript<Part>(dynamicMember path: WritableKeyPath<Value, Part>) -> Binding<Part> { fatalError("a stub") }
}

@propertyWrapper
public struct State<Value> {
    public var wrappedValue: Value {
        get { fatalError("a stub") }
        nonmutating set {}
    }

    public var projectedValue: Binding<Value> { fatalError("a stub") }

    public init(wrappedValue: Value) {}
}

extension State where Value: ExpressibleByNilLiteral {
    public init() {}
}

@propertyWrapper
@MainActor
public struct StateObject<Value: ObservableObject> {
    public var wrappedValue: Value { fatalError("a stub") }
    public var projectedValue: ObservedObject<Value>.Wrapper { fatalError("a stub") }

    public init(wrappedValue make: @autoclosure @escaping @MainActor () -> Value) {}
}

@propertyWrapper
@MainActor
public struct ObservedObject<Value: ObservableObject> {
    @dynamicMemberLookup
    public struct Wrapper {
        public subscript<Part>(dynamicMember path: ReferenceWritableKeyPath<Value, Part>) -> Binding<Part> {
            fatalError("a stub")
        }
    }

    public var wrappedValue: Value
    public var projectedValue: Wrapper { fatalError("a stub") }

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
}
