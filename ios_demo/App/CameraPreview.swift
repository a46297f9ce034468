import AVFoundation
import SwiftUI
import UIKit

/// The camera's picture, upright however the phone is held; the frames of its feed are turned with it.
///
/// `starts`: how often a camera has started, each with a connection of its own to turn.
struct CameraPreview: UIViewRepresentable {
    let feed: CameraFeed
    let front: Bool
    let starts: Int

    func makeUIView(context: Context) -> PreviewView { PreviewView() }

    func updateUIView(_ view: PreviewView, context: Context) { view.show(feed, front: front, starts: starts) }
}

final class PreviewView: UIView {
    private let preview = AVCaptureVideoPreviewLayer()
    private var rotation: Rotation?
    private var starts = 0

    func show(_ feed: CameraFeed, front: Bool, starts: Int) {
        if preview.session !== feed.session {
            preview.session = feed.session
            preview.videoGravity = .resizeAspect
        }
        guard self.starts != starts else { return }
        self.starts = starts
        rotation = Rotation(feed, preview, front: front)
    }

    override func layoutSubviews() {
        super.layoutSubviews()
        if preview.superlayer == nil { layer.addSublayer(preview) }
        preview.frame = bounds
    }
}

/// Keeps a preview and the frames of its feed level with the horizon.
///
/// Where sensors are mounted differs from phone to phone, so the system is asked; before iOS 17 it does not
/// tell, and all phones that have no later system are mounted alike.
@MainActor
final class Rotation {
    private let feed: CameraFeed
    private let preview: AVCaptureVideoPreviewLayer
    private let front: Bool
    private var kept: [Any] = []

    init(_ feed: CameraFeed, _ preview: AVCaptureVideoPreviewLayer, front: Bool) {
        (self.feed, self.preview, self.front) = (feed, preview, front)
        if #available(iOS 17, *), let camera = CameraFeed.camera(front: front) {
            let coordinator = AVCaptureDevice.RotationCoordinator(device: camera, previewLayer: preview)
            let shown = coordinator.observe(\.videoRotationAngleForHorizonLevelPreview, options: [.initial, .new]) {
                [weak self] _, change in
                guard let angle = change.newValue else { return }
                Task { @MainActor in self?.preview.connection?.turn(angle) }
            }
            let taken = coordinator.observe(\.videoRotationAngleForHorizonLevelCapture, options: [.initial, .new]) {
                _, change in
                if let angle = change.newValue { feed.turn(angle) }
            }
            kept = [coordinator, shown, taken]
        } else {
            UIDevice.current.beginGeneratingDeviceOrientationNotifications()
            kept = [
                NotificationCenter.default.addObserver(
                    forName: UIDevice.orientationDidChangeNotification, object: nil, queue: .main
                ) { [weak self] _ in
                    Task { @MainActor in self?.follow() }
                }
            ]
            follow()
        }
    }

    /// Lying flat keeps what was.
    private func follow() {
        let degrees: [UIDeviceOrientation: Double] = [
            .portrait: 90, .portraitUpsideDown: 270, .landscapeLeft: front ? 180 : 0, .landscapeRight: front ? 0 : 180,
        ]
        guard let angle = degrees[UIDevice.current.orientation] else { return }
        preview.connection?.turn(angle)
        feed.turn(angle)
    }
}
