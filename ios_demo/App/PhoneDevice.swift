import Foundation
import MobileViTKit
import UIKit

/// This device, as a measurement sees it; `seen` is what screens have seen.
struct PhoneDevice: BenchDevice {
    private let seen: Interruptions

    @MainActor
    init(interruptions: Interruptions) {
        seen = interruptions
        UIDevice.current.isBatteryMonitoringEnabled = true
    }

    func nanoTime() -> Int { Int(DispatchTime.now().uptimeNanoseconds) }

    func utc() -> String { ISO8601DateFormatter().string(from: Date()) }

    func sleep(seconds: Int) async throws { try await Task.sleep(nanoseconds: UInt64(seconds) * 1_000_000_000) }

    func interruptions() -> [String] { seen.take() }

    func state() async -> DeviceState {
        let (battery, level) = await MainActor.run { (UIDevice.current.batteryState, UIDevice.current.batteryLevel) }
        let known = battery != .unknown
        return DeviceState(
            thermal: thermal(),
            batteryPercent: known ? Double(level) * 100 : nil,
            charging: known ? battery != .unplugged : nil,
            lowPower: ProcessInfo.processInfo.isLowPowerModeEnabled)
    }

    /// What reports say of the app and the device.
    @MainActor
    static func host() -> BenchHost {
        let information = ProcessInfo.processInfo
        let simulated = information.environment["SIMULATOR_MODEL_IDENTIFIER"]
        let version = Foundation.Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String
        let device = Run.Device(
            isSimulator: simulated != nil,
            name: Name(simulated ?? hardware()),
            processor: Name(simulated == nil ? hardware() : "simulator"),
            cores: information.processorCount,
            memoryBytes: Int(information.physicalMemory))
        let system = UIDevice.current
        return BenchHost(
            appVersion: version ?? "unknown", device: device, system: system.systemName,
            systemVersion: system.systemVersion)
    }

    /// Such as `iPhone17,1`; the name that the user gave the phone is nobody's business.
    private static func hardware() -> String {
        var size = 0
        sysctlbyname("hw.machine", nil, &size, nil, 0)
        var text = [UInt8](repeating: 0, count: size)
        sysctlbyname("hw.machine", &text, &size, nil, 0)
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }

    private func thermal() -> ThermalState? {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: return .nominal
        case .fair: return .fair
        case .serious: return .serious
        case .critical: return .critical
        @unknown default: return nil
        }
    }
}
