// The camera's feed on played classes of AVFoundation, which end the program where they are used in the wrong
// order. One module, without Apple's frameworks: tools/ios/check.py puts it together.
import Foundation

/// What the feed has said, from its own queue.
final class Heard: @unchecked Sendable {
    private let lock = NSLock()
    private var reasons: [String] = []

    func add(_ reason: String) { lock.withLock { reasons.append(reason) } }
    func all() -> [String] { lock.withLock { reasons } }
}

/// Let the feed's queue come to its end.
func settle() { Thread.sleep(forTimeInterval: 0.2) }

func expect(_ isTrue: Bool, _ what: String) {
    guard !isTrue else { return print("ok: \(what)") }
    print("FAILED: \(what)")
    exit(1)
}

let heard = Heard()
let started = Heard()
let feed = CameraFeed(work: { _ in }, started: { started.add("") }, failed: heard.add)
feed.start(front: false)
settle()
expect(feed.session.isRunning && started.all().count == 1, "a camera that is there runs, and says so")
expect(feed.session.inputs.count == 1 && feed.session.outputs.count == 1, "it has one input and one output")
for _ in 0..<20 {
    feed.start(front: false)
    feed.turn(90)
    feed.stop()
    feed.start(front: false)
}
settle()
expect(feed.session.isRunning, "it runs after turns and quick changes")
expect(feed.session.inputs.count == 1 && feed.session.outputs.count == 1, "inputs and outputs do not pile up")
expect(heard.all().isEmpty, "nothing failed until here")
let connection = feed.session.outputs[0].connection(with: .video)
expect(connection?.videoRotationAngle == 90, "frames come turned as the feed was told")
// A phone between two positions: not every camera can turn by any angle.
feed.turn(45)
settle()
expect(connection?.videoRotationAngle == 90, "an angle that the camera cannot turn by changes nothing")
feed.turn(0)
settle()
expect(connection?.videoRotationAngle == 0, "and may be none at all, as on the newest phones' front")
feed.start(front: true)
settle()
expect(started.all().count == 41, "each start is told, a failed one is none")
expect(heard.all() == ["this device has no camera to use"], "a camera that is not there is told in words")
feed.stop()
settle()
expect(!feed.session.isRunning, "a stopped feed does not run")
