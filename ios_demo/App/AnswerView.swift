import MobileViTKit
import SwiftUI

/// The best classes of a photo, a bar each.
struct AnswerView: View {
    let answer: Answer

    var body: some View {
        VStack(alignment: .leading) {
            ForEach(answer.classes, id: \.index) { score in
                ProgressView(value: min(1, max(0, score.probability))) {
                    HStack {
                        Text(score.label)
                        Spacer()
                        Text(percent(score))
                    }
                }
                .accessibilityLabel(Text("\(score.label), \(percent(score))"))
            }
            Text(String(format: "model %.1f ms", answer.milliseconds))
                .font(.footnote)
        }
    }

    private func percent(_ score: ClassScore) -> String { String(format: "%.1f %%", score.probability * 100) }
}
