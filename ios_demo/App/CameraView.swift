import AVFoundation
import MobileViTKit
import SwiftUI
import UIKit

/// Classifies what the camera sees, always the newest frame.
struct CameraView: View {
    @ObservedObject var library: Library
    @StateObject private var model = CameraModel()

    var body: some View {
        VStack {
            if let session = model.session {
                CameraPreview(session: session, rotation: model.rotation)
                    .accessibilityLabel(Text("What the camera sees"))
            }
            if let answer = model.answer { AnswerView(answer: answer).padding() }
            if !model.message.isEmpty { Text(model.message).padding() }
            Button("Other camera") { model.useOther() }
                .accessibilityHint(Text("Front or back"))
        }
        .navigationTitle("Camera")
        .task { await model.start(library) }
        .onDisappear { model.stop() }
        .onReceive(NotificationCenter.default.publisher(for: UIDevice.orientationDidChangeNotification)) { _ in
            model.turn()
        }
    }
}

@MainActor
final class CameraModel: ObservableObject {
    @Published private(set) var answer: Answer?
    @Published private(set) var message = ""
    @Published private(set) var session: AVCaptureSession?
    @Published private(set) var rotation = 90
    private var feed: CameraFeed?
    private var front = false

    func start(_ library: Library) async {
        guard feed == nil, let bundle = library.model else { return }
        message = "Working …"
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            message = "Without the camera permission the camera cannot be used. Grant it in Settings."
            return
        }
        do {
            let recognizer = try await Recognizer(bundle, cache: library.cache)
            let feed = CameraFeed { [weak self] image in
                do {
                    let answer = try await recognizer.recognize(image)
                    await self?.show(answer, "")
                } catch {
                    await self?.show(nil, error.localizedDescription)
                }
            }
            UIDevice.current.beginGeneratingDeviceOrientationNotifications()
            turn()
            try feed.start(front: front, rotation: rotation)
            self.feed = feed
            session = feed.session
            message = ""
        } catch {
            message = error.localizedDescription
        }
    }

    func stop() {
        feed?.stop()
        feed = nil
        session = nil
        UIDevice.current.endGeneratingDeviceOrientationNotifications()
    }

    func useOther() {
        front.toggle()
        turn()
        do {
            try feed?.start(front: front, rotation: rotation)
        } catch {
            message = error.localizedDescription
        }
    }

    /// Frames upright as the device is held now; lying flat keeps what was.
    func turn() {
        switch UIDevice.current.orientation {
        case .portrait: rotation = 90
        case .portraitUpsideDown: rotation = 270
        case .landscapeLeft: rotation = front ? 180 : 0
        case .landscapeRight: rotation = front ? 0 : 180
        default: break
        }
        feed?.turn(rotation)
    }

    private func show(_ answer: Answer?, _ message: String) {
        (self.answer, self.message) = (answer, message)
    }
}

/// The camera's picture.
struct CameraPreview: UIViewRepresentable {
    let session: AVCaptureSession
    let rotation: Int

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        view.preview.session = session
        view.preview.videoGravity = .resizeAspect
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {
        guard #available(iOS 17, *), let connection = view.preview.connection else { return }
        let angle = CGFloat(rotation)
        if connection.isVideoRotationAngleSupported(angle) { connection.videoRotationAngle = angle }
    }
}

final class PreviewView: UIView {
    let preview = AVCaptureVideoPreviewLayer()

    override func layoutSubviews() {
        super.layoutSubviews()
        if preview.superlayer == nil { layer.addSublayer(preview) }
        preview.frame = bounds
    }
}
