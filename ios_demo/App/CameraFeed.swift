import AVFoundation
import CoreVideo
import MobileViTCoreML
import MobileViTKit

/// A camera's frames, upright, the newest only: those that come while `work` runs are dropped.
///
/// All of its state belongs to one queue, which also configures and starts the session, so that neither
/// happens in the middle of the other.
final class CameraFeed: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    /// For the preview layer, which watches it from the main thread as the system intends.
    let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private let queue = DispatchQueue(label: "camera")
    private let work: @Sendable (Pixels) async -> Void
    private let started: @Sendable () -> Void
    private let failed: @Sendable (String) -> Void
    private var busy = false

    /// - Parameters:
    ///   - work: hears each frame, one at a time.
    ///   - started: hears when a camera runs: before, there is nothing to turn.
    ///   - failed: hears why none does.
    init(
        work: @escaping @Sendable (Pixels) async -> Void, started: @escaping @Sendable () -> Void,
        failed: @escaping @Sendable (String) -> Void
    ) {
        self.work = work
        self.started = started
        self.failed = failed
    }

    /// The camera on one side of the phone; nil if there is none.
    static func camera(front: Bool) -> AVCaptureDevice? {
        AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: front ? .front : .back)
    }

    func start(front: Bool) {
        queue.async {
            do {
                try self.configure(front: front)
                self.session.startRunning()
                self.started()
            } catch {
                self.failed(error.localizedDescription)
            }
        }
    }

    /// Frames come turned clockwise by `degrees` from the sensor's position.
    func turn(_ degrees: Double) {
        queue.async {
            guard let connection = self.output.connection(with: .video) else { return }
            connection.turn(degrees)
        }
    }

    func stop() {
        queue.async { self.session.stopRunning() }
    }

    /// In a scope of its own: a session must not start before its configuration is committed.
    private func configure(front: Bool) throws {
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .vga640x480
        for input in session.inputs { session.removeInput(input) }
        guard let camera = CameraFeed.camera(front: front), let input = try? AVCaptureDeviceInput(device: camera),
            session.canAddInput(input)
        else { throw BundleError("this device has no camera to use") }
        session.addInput(input)
        guard session.outputs.isEmpty else { return }
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        guard session.canAddOutput(output) else { throw BundleError("the camera gives no frames") }
        session.addOutput(output)
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard !busy, let buffer = CMSampleBufferGetImageBuffer(sampleBuffer), let image = Pixels(buffer) else { return }
        busy = true
        Task {
            await work(image)
            queue.async { self.busy = false }
        }
    }
}

extension AVCaptureConnection {
    /// Turn what comes through it clockwise, as far as the system can.
    func turn(_ degrees: Double) {
        if #available(iOS 17, *) {
            let angle = CGFloat(degrees)
            if isVideoRotationAngleSupported(angle) { videoRotationAngle = angle }
        } else if isVideoOrientationSupported {
            let orientations: [Double: AVCaptureVideoOrientation] = [
                0: .landscapeRight, 90: .portrait, 180: .landscapeLeft, 270: .portraitUpsideDown,
            ]
            videoOrientation = orientations[degrees] ?? .portrait
        }
    }
}
