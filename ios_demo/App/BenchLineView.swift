import MobileViTKit
import SwiftUI

/// A row of the table: what was measured, how long it took, its samples, and why it may be wrong.
struct BenchLineView: View {
    let line: BenchLine

    var body: some View {
        VStack(alignment: .leading) {
            HStack {
                VStack(alignment: .leading) {
                    Text(line.title.name)
                    Text("\(line.units.label), \(line.title.detail)").font(.footnote)
                }
                Spacer()
                Text(line.median.map { String(format: "%.2f ms", $0) } ?? "not measured")
            }
            if let low = line.low, let high = line.high {
                Text(String(format: "%.2f to %.2f ms", low, high)).font(.footnote)
                SparklineView(samples: line.samples)
            }
            ForEach(line.notes, id: \.self) { Text($0).font(.footnote) }
        }
    }
}

/// Samples as a line, in the order in which they came.
struct SparklineView: View {
    let samples: [Int]

    var body: some View {
        GeometryReader { place in
            Path { path in
                let points = Sparkline.points(samples, most: max(1, Int(place.size.width / 2)))
                for (number, point) in points.enumerated() {
                    let step = place.size.width / Double(max(1, points.count - 1))
                    let spot = CGPoint(x: Double(number) * step, y: (1 - point) * place.size.height)
                    if number == 0 { path.move(to: spot) } else { path.addLine(to: spot) }
                }
            }
            .stroke(lineWidth: 1.5)
        }
        .frame(height: 32)
        .accessibilityLabel(Text("\(samples.count) samples in the order they came, the slowest on top"))
    }
}
