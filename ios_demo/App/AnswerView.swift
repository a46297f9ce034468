import MobileViTKit
import SwiftUI

/// The best classes of an image, a bar each, with the color in which they are drawn over it, and how long the model took.
struct AnswerView: View {
    let rows: [LegendRow]
    let milliseconds: Double

    var body: some View {
        VStack(alignment: .leading) {
            ForEach(rows, id: \.score.index) { row in
                ProgressView(value: min(1, max(0, row.score.probability))) {
                    HStack {
                        if let color = row.color { Color(color).frame(width: 16, height: 16) }
                        Text(row.score.label)
                        Spacer()
                        Text(percent(row.score))
                    }
                }
                .accessibilityLabel(Text("\(row.score.label), \(percent(row.score))"))
            }
            Text(String(format: "model %.1f ms", milliseconds))
                .font(.footnote)
        }
    }

    private func percent(_ score: ClassScore) -> String { String(format: "%.1f %%", score.probability * 100) }
}
