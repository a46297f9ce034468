@_exported import CoreGraphics
@_exported import Foundation

open class CALayer: NSObject {
    public override init() {}

    public var superlayer: CALayer? { fatalError("a stub") }
    public var frame = CGRect.zero

    public func addSublayer(_ layer: CALayer) {}
}

@MainActor
open class UIView {
    public init() {}

    public var layer: CALayer { fatalError("a stub") }
    public var bounds: CGRect { fatalError("a stub") }

    open func layoutSubviews() {}
}

public enum UIDeviceOrientation: Sendable {
    case unknown, portrait, portraitUpsideDown, landscapeLeft, landscapeRight, faceUp, faceDown
}

@MainActor
public final class UIDevice {
    public enum BatteryState: Sendable {
        case unknown, unplugged, charging, full
    }

    public static let current = UIDevice()
    public nonisolated static let orientationDidChangeNotification = Notification.Name("orientation")

    public var isBatteryMonitoringEnabled = false
    public var batteryState: BatteryState { fatalError("a stub") }
    public var batteryLevel: Float { fatalError("a stub") }
    public var systemName: String { fatalError("a stub") }
    public var systemVersion: String { fatalError("a stub") }
    public var orientation: UIDeviceOrientation { fatalError("a stub") }

    public func beginGeneratingDeviceOrientationNotifications() {}
    public func endGeneratingDeviceOrientationNotifications() {}
}

@MainActor
public final class UIApplication {
    public static let shared = UIApplication()
    public nonisolated static let openSettingsURLString = "app-settings:"
    public nonisolated static let didReceiveMemoryWarningNotification = Notification.Name("memory")

    public var isIdleTimerDisabled = false

    public func open(_ url: URL) {}
}

// What Foundation has on Apple's systems alone.
extension ProcessInfo {
    public enum ThermalState: Sendable {
        case nominal, fair, serious, critical
    }

    public var thermalState: ThermalState { fatalError("a stub") }
    public var isLowPowerModeEnabled: Bool { fatalError("a stub") }
}

extension URL {
    public func startAccessingSecurityScopedResource() -> Bool { fatalError("a stub") }
    public func stopAccessingSecurityScopedResource() {}
}

public struct NSKeyValueObservingOptions: OptionSet, Sendable {
    public let rawValue: UInt
    public static let new = NSKeyValueObservingOptions(rawValue: 1)
    public static let initial = NSKeyValueObservingOptions(rawValue: 4)

    public init(rawValue: UInt) { self.rawValue = rawValue }
}

public struct NSKeyValueObservedChange<Value> {
    public let newValue: Value?
}

public final class NSKeyValueObservation {}

@discardableResult
public func sysctlbyname(
    _ name: String, _ value: UnsafeMutableRawPointer?, _ size: UnsafeMutablePointer<Int>?,
    _ new: UnsafeMutableRawPointer?, _ newSize: Int
) -> Int32 { fatalError("a stub") }
