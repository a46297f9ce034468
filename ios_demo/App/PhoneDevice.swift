import Foundation
import MobileViTKit
import UIKit

/// This device, as a measurement sees it.
struct PhoneDevice: BenchDevice {
    init() {
        UIDevice.current.isBatteryMonitoringEnabled = true
    }

    func nanoTime() -> Int { Int(DispatchTime.now().uptimeNanoseconds) }

    func utc() -> String { ISO8601DateFormatter().string(from: Date()) }

    func sleep(seconds: Int) async throws { try await Task.sleep(nanoseconds: UInt64(seconds) * 1_000_000_000) }

    func state() -> DeviceState {
        let device = UIDevice.current
        let known = device.batteryState != .unknown
        return DeviceState(
            thermal: thermal(),
            batteryPercent: known ? Double(device.batteryLevel) * 100 : nil,
            charging: known ? device.batteryState != .unplugged : nil,
            lowPower: ProcessInfo.processInfo.isLowPowerModeEnabled)
    }

    /// What reports say of the app and the device.
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
