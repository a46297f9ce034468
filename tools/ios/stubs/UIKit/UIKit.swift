@_exported import CoreGraphics
@_exported import Foundation

open class CALayer {
    public init() {}

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

public enum UIDeviceOrientation {
    case unknown, portrait, portraitUpsideDown, landscapeLeft, landscapeRight, faceUp, faceDown
}

public final class UIDevice: @unchecked Sendable {
    public enum BatteryState {
        case unknown, unplugged, charging, full
    }

    public static let current = UIDevice()
    public static let orientationDidChangeNotification = Notification.Name("orientation")

    public var isBatteryMonitoringEnabled = false
    public var batteryState: BatteryState { fatalError("a stub") }
    public var batteryLevel: Float { fatalError("a stub") }
    public var systemName: String { fatalError("a stub") }
    public var systemVersion: String { fatalError("a stub") }
    public var orientation: UIDeviceOrientation { fatalError("a stub") }

    public func beginGeneratingDeviceOrientationNotifications() {}
    public func endGeneratingDeviceOrientationNotifications() {}
}

// What Foundation has on Apple's systems alone.
extension ProcessInfo {
    public enum ThermalState {
        case nominal, fair, serious, critical
    }

    public var thermalState: ThermalState { fatalError("a stub") }
    public var isLowPowerModeEnabled: Bool { fatalError("a stub") }
}

@discardableResult
public func sysctlbyname(
    _ name: String, _ value: UnsafeMutableRawPointer?, _ size: UnsafeMutablePointer<Int>?,
    _ new: UnsafeMutableRawPointer?, _ newSize: Int
) -> Int32 { fatalError("a stub") }
