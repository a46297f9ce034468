import CoreGraphics
import Foundation
import MobileViTKit
import SwiftUI

/// An overlay whose mask is an image already: making one takes milliseconds, drawing it none. Nobody changes it.
struct Drawing: @unchecked Sendable {
    let overlay: Overlay
    let mask: CGImage?

    /// Nil if there is nothing to draw.
    init?(_ overlay: Overlay?) {
        guard let overlay else { return nil }
        self.overlay = overlay
        mask = overlay.mask.flatMap { Drawing.image($0, overlay.width, overlay.height) }
    }

    private static func image(_ rgba: [UInt8], _ width: Int, _ height: Int) -> CGImage? {
        guard let provider = CGDataProvider(data: Data(rgba) as CFData) else { return nil }
        return CGImage(
            width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 32, bytesPerRow: width * 4,
            space: CGColorSpaceCreateDeviceRGB(),
            bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.premultipliedLast.rawValue), provider: provider,
            decode: nil, shouldInterpolate: true, intent: .defaultIntent)
    }
}

/// A mask or boxes over an image of the same proportions that another view shows whole in its middle.
///
/// `isMirrored`: that view shows the image as in a mirror.
struct OverlayView: View {
    let drawing: Drawing
    var isMirrored = false

    var body: some View {
        GeometryReader { place in
            let overlay = drawing.overlay
            let area = Area.fitting(
                overlay.width, overlay.height, inside: (Double(place.size.width), Double(place.size.height)))
            ZStack {
                if let mask = drawing.mask {
                    Image(decorative: mask, scale: 1)
                        .resizable()
                        .scaleEffect(x: isMirrored ? -1 : 1, y: 1)
                        .frame(width: area.width, height: area.height)
                        .position(x: area.left + area.width / 2, y: area.top + area.height / 2)
                }
                // The surest last, on top of the others.
                ForEach(Array(overlay.boxes.indices.reversed()), id: \.self) { index in
                    BoxView(found: overlay.boxes[index], area: shown(overlay.boxes[index], in: area, place.size.width))
                }
            }
        }
        .accessibilityHidden(true)
    }

    /// Where a box lies on the screen.
    private func shown(_ found: Overlay.Box, in area: Area, _ width: CGFloat) -> Area {
        let shown = found.box.area.shown(in: area, imageWidth: drawing.overlay.width)
        return isMirrored ? shown.mirrored(in: Double(width)) : shown
    }
}

/// A box with its name on a plate at its upper edge.
private struct BoxView: View {
    let found: Overlay.Box
    let area: Area

    private static let longest = 40
    private static let plate = 18.0

    var body: some View {
        ZStack {
            Rectangle()
                .stroke(Color(found.color), lineWidth: 2.5)
                .frame(width: max(area.width, 1), height: max(area.height, 1))
                .position(x: area.left + area.width / 2, y: area.top + area.height / 2)
            Text("\(Int((found.box.probability * 100).rounded())) % \(found.box.label.prefix(BoxView.longest))")
                .font(.footnote)
                .foregroundColor(found.color.isBright ? .black : .white)
                .lineLimit(1)
                .fixedSize()
                .background(Color(found.color))
                .frame(width: max(area.width, 1), height: BoxView.plate, alignment: .leading)
                .position(x: area.left + area.width / 2, y: max(area.top - BoxView.plate / 2, BoxView.plate / 2))
        }
    }
}

extension Color {
    init(_ color: ClassColor) {
        self.init(
            red: Double(color.red) / 255, green: Double(color.green) / 255, blue: Double(color.blue) / 255)
    }
}
