import MobileViTKit
import SwiftUI

/// The best classes of an image, a bar each, and how long the model took.
struct AnswerView: View {
    let classes: [ClassScore]
    let milliseconds: Double

    var body: some View {
        VStack(alignment: .leading) {
            ForEach(classes, id: \.index) { score in
                ProgressView(value: min(1, max(0, score.probability))) {
                    HStack {
                        Text(score.label)
                        Spacer()
                        Text(percent(score))
                    }
                }
                .accessibilityLabel(Text("\(score.label), \(percent(score))"))
            }
            Text(String(format: "model %.1f ms", milliseconds))
                .font(.footnote)
        }
    }

    private func percent(_ score: ClassScore) -> String { String(format: "%.1f %%", score.probability * 100) }
}
