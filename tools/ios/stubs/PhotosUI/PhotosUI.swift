import SwiftUI

public struct PHPickerFilter: Sendable {
    public static let images = PHPickerFilter()
}

public protocol Transferable {}

extension Data: Transferable {}

public struct PhotosPickerItem: Equatable, Hashable, Sendable {
    public func loadTransferable<Value: Transferable>(type: Value.Type) async throws -> Value? { fatalError("a stub") }
}

public struct PhotosPicker: Leaf {
    public init(_ title: String, selection: Binding<PhotosPickerItem?>, matching filter: PHPickerFilter?) {}
}
