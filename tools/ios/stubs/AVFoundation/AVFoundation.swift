@_exported import CoreVideo
@_exported import UIKit

public enum AVMediaType: Sendable {
    case video
}

public enum AVCaptureVideoOrientation: Sendable {
    case portrait, portraitUpsideDown, landscapeRight, landscapeLeft
}

public enum AVLayerVideoGravity: Sendable {
    case resizeAspect
}

public final class CMSampleBuffer {}

public func CMSampleBufferGetImageBuffer(_ buffer: CMSampleBuffer) -> CVPixelBuffer? { fatalError("a stub") }

public final class AVCaptureConnection: NSObject {
    public var isVideoOrientationSupported: Bool { fatalError("a stub") }
    public var videoOrientation = AVCaptureVideoOrientation.portrait
    public var videoRotationAngle: CGFloat = 0

    public func isVideoRotationAngleSupported(_ angle: CGFloat) -> Bool { angle.truncatingRemainder(dividingBy: 90) == 0 }
}

open class AVCaptureInput {}

public final class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}

open class AVCaptureOutput {
    public init() {}

    private let own = AVCaptureConnection()

    public func connection(with type: AVMediaType) -> AVCaptureConnection? { own }
}

public protocol AVCaptureVideoDataOutputSampleBufferDelegate: AnyObject {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}

public final class AVCaptureVideoDataOutput: AVCaptureOutput {
    public var videoSettings: [String: Any]! = [:]
    public var alwaysDiscardsLateVideoFrames = true

    public func setSampleBufferDelegate(
        _ delegate: AVCaptureVideoDataOutputSampleBufferDelegate?, queue: DispatchQueue?
    ) {}
}

public final class AVCaptureDevice {
    public enum DeviceType: Sendable {
        case builtInWideAngleCamera
    }

    public enum Position: Sendable {
        case front, back
    }

    /// As the real one, it may be used on any thread, and is not safe on several.
    public final class RotationCoordinator: NSObject {
        public init(device: AVCaptureDevice, previewLayer: CALayer?) {}

        public var videoRotationAngleForHorizonLevelPreview: CGFloat { fatalError("a stub") }
        public var videoRotationAngleForHorizonLevelCapture: CGFloat { fatalError("a stub") }

        /// Of NSObject, on Apple's systems.
        public func observe<Value>(
            _ path: KeyPath<RotationCoordinator, Value>, options: NSKeyValueObservingOptions,
            changeHandler: @escaping @Sendable (RotationCoordinator, NSKeyValueObservedChange<Value>) -> Void
        ) -> NSKeyValueObservation { fatalError("a stub") }
    }

    /// The stub has a camera on its back alone.
    public static func `default`(
        _ type: DeviceType, for media: AVMediaType?, position: Position
    ) -> AVCaptureDevice? { position == .back ? AVCaptureDevice() : nil }

    public static func requestAccess(for media: AVMediaType) async -> Bool { fatalError("a stub") }
}

/// Like the real one, it ends the app where it is used in the wrong order.
public final class AVCaptureSession: NSObject {
    public enum Preset: Sendable {
        case vga640x480
    }

    public var sessionPreset = Preset.vga640x480
    public private(set) var inputs: [AVCaptureInput] = []
    public private(set) var outputs: [AVCaptureOutput] = []
    public private(set) var isRunning = false
    private var isConfiguring = false

    public override init() {}

    public func beginConfiguration() { isConfiguring = true }

    public func commitConfiguration() {
        precondition(isConfiguring, "commitConfiguration without beginConfiguration")
        isConfiguring = false
    }

    public func canAddInput(_ input: AVCaptureInput) -> Bool { inputs.isEmpty }
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { outputs.isEmpty }
    public func addInput(_ input: AVCaptureInput) { inputs.append(input) }
    public func addOutput(_ output: AVCaptureOutput) { outputs.append(output) }
    public func removeInput(_ input: AVCaptureInput) { inputs.removeAll { $0 === input } }

    public func startRunning() {
        precondition(!isConfiguring, "startRunning may not be called between calls to begin and commit configuration")
        isRunning = true
    }

    public func stopRunning() {
        precondition(!isConfiguring, "stopRunning may not be called between calls to begin and commit configuration")
        isRunning = false
    }
}

public final class AVCaptureVideoPreviewLayer: CALayer {
    public var session: AVCaptureSession?
    public var videoGravity = AVLayerVideoGravity.resizeAspect
    public var connection: AVCaptureConnection? { fatalError("a stub") }
}
