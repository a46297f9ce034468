import AVFoundation
import MobileViTKit
import SwiftUI
import UIKit

/// What the camera sees, always the newest frame: classes, averaged over time, or a mask or boxes over the picture,
/// which are those of the newest frame alone.
struct CameraView: View {
    @ObservedObject var library: Library
    @StateObject private var model = CameraModel()
    @Environment(\.verticalSizeClass) private var height

    var body: some View {
        // Beside each other where the screen is low: the picture keeps its size.
        let layout = height == .compact ? AnyLayout(HStackLayout()) : AnyLayout(VStackLayout())
        layout {
            if let feed = model.feed {
                CameraPreview(feed: feed, front: model.front, starts: model.starts)
                    .overlay {
                        // The system mirrors what a front camera shows, and not the frames that it gives.
                        if let drawing = model.drawing { OverlayView(drawing: drawing, isMirrored: model.front) }
                    }
                    .accessibilityLabel(Text("What the camera sees"))
            }
            VStack {
                if !model.rows.isEmpty {
                    AnswerView(rows: model.rows, milliseconds: model.milliseconds).padding()
                }
                if !model.message.isEmpty { Text(model.message).padding() }
                if model.isRefused { Button("Open Settings") { model.openSettings() } }
                Button("Other camera") { model.useOther() }
                    .accessibilityHint(Text("Front or back"))
            }
        }
        .navigationTitle("Camera")
        .task { await model.start(library) }
        .onDisappear { model.stop() }
        .onReceive(NotificationCenter.default.publisher(for: UIDevice.orientationDidChangeNotification)) { _ in
            if model.drawing != nil { model.forget() }
        }
        .onReceive(NotificationCenter.default.publisher(for: CameraModel.interrupted)) { _ in
            model.show("The camera is used by another app or a call.")
        }
        .onReceive(NotificationCenter.default.publisher(for: CameraModel.resumed)) { _ in model.show("") }
    }
}

@MainActor
final class CameraModel: ObservableObject {
    // By name: Swift's names for them differ from one Xcode to the next.
    static let interrupted = Notification.Name("AVCaptureSessionWasInterruptedNotification")
    static let resumed = Notification.Name("AVCaptureSessionInterruptionEndedNotification")

    @Published private(set) var rows: [LegendRow] = []
    @Published private(set) var drawing: Drawing?
    @Published private(set) var milliseconds = 0.0
    @Published private(set) var message = ""
    @Published private(set) var feed: CameraFeed?
    @Published private(set) var front = false
    @Published private(set) var starts = 0
    @Published private(set) var isRefused = false
    private var smoother = Smoother()
    /// Counts the cameras and the ways to hold the phone.
    private var view = 0

    func start(_ library: Library) async {
        guard feed == nil, let bundle = library.model else { return }
        message = "Working …"
        isRefused = await !AVCaptureDevice.requestAccess(for: .video)
        guard !isRefused else {
            message = "Without the camera permission the camera cannot be used."
            return
        }
        do {
            let recognizer = try await Recognizer(bundle, cache: library.cache)
            // The screen was left while the model was loading.
            guard !Task.isCancelled, feed == nil else { return }
            let feed = CameraFeed { [weak self] image in
                guard let asked = await self?.view else { return }
                do {
                    let answer = try await recognizer.recognize(image, mostSide: Interpreter.frameSide)
                    await self?.show(answer, of: recognizer, asked: asked)
                } catch {
                    await self?.show(error.localizedDescription)
                }
            } started: { [weak self] in
                Task { @MainActor in self?.starts += 1 }
            } failed: { [weak self] reason in
                Task { @MainActor in self?.show(reason) }
            }
            (self.feed, message, smoother) = (feed, "", Smoother())
            feed.start(front: front)
        } catch {
            message = error.localizedDescription
        }
    }

    func stop() {
        feed?.stop()
        feed = nil
        forget()
    }

    /// What was found in the picture of another camera, or of another way to hold the phone, is not of this one.
    func forget() {
        view += 1
        (rows, drawing, smoother) = ([], nil, Smoother())
    }

    func useOther() {
        front.toggle()
        forget()
        feed?.start(front: front)
    }

    func openSettings() {
        guard let settings = URL(string: UIApplication.openSettingsURLString) else { return }
        UIApplication.shared.open(settings)
    }

    /// Words in place of an answer: what was seen before is none any more.
    func show(_ message: String) {
        self.message = message
        if !message.isEmpty { forget() }
    }

    private func show(_ answer: Answer, of recognizer: Recognizer, asked: Int) {
        guard feed != nil, asked == view else { return }
        var finding = answer.finding
        if case .classes(let probabilities) = finding {
            finding = .classes(smoother.add(probabilities, at: ProcessInfo.processInfo.systemUptime))
        }
        let shown = recognizer.show(finding, legend: Recognizer.shown)
        (rows, drawing, milliseconds, message) = (shown.rows, Drawing(shown.overlay), answer.milliseconds, "")
    }
}
