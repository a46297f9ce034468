import AVFoundation
import CoreVideo
import MobileViTKit

/// A camera's frames, upright, the newest only: those that come while `work` runs are dropped.
final class CameraFeed: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private let queue = DispatchQueue(label: "camera")
    private let work: @Sendable (Pixels) async -> Void
    // Of the queue alone.
    private var busy = false

    init(work: @escaping @Sendable (Pixels) async -> Void) {
        self.work = work
    }

    /// - Throws: `BundleError` if there is no such camera.
    func start(front: Bool, rotation: Int) throws {
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .vga640x480
        for input in session.inputs { session.removeInput(input) }
        let position: AVCaptureDevice.Position = front ? .front : .back
        guard let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: position),
            let input = try? AVCaptureDeviceInput(device: camera), session.canAddInput(input)
        else { throw BundleError("this device has no camera to use") }
        session.addInput(input)
        if session.outputs.isEmpty {
            output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
            output.alwaysDiscardsLateVideoFrames = true
            output.setSampleBufferDelegate(self, queue: queue)
            guard session.canAddOutput(output) else { throw BundleError("the camera gives no frames") }
            session.addOutput(output)
        }
        turn(rotation)
        queue.async { self.session.startRunning() }
    }

    /// Frames come turned clockwise by `degrees` from the sensor's position.
    func turn(_ degrees: Int) {
        guard let connection = output.connection(with: .video) else { return }
        if #available(iOS 17, *) {
            let angle = CGFloat(degrees)
            if connection.isVideoRotationAngleSupported(angle) { connection.videoRotationAngle = angle }
        } else {
            let orientations: [Int: AVCaptureVideoOrientation] = [
                0: .landscapeRight, 90: .portrait, 180: .landscapeLeft, 270: .portraitUpsideDown,
            ]
            connection.videoOrientation = orientations[degrees] ?? .portrait
        }
    }

    func stop() {
        queue.async { self.session.stopRunning() }
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
