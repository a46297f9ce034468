package org.mobilevitedge.core

import java.util.Locale

/** What a person reads of a model: [name], such as `MobileViTv2 0.5`, and [detail] below it. */
data class ModelTitle(val name: String, val detail: String) {
    companion object {
        private val KNOWN = Regex("mobilevit(v[23])?_(?:(xxs|xs|s)|([0-9]{3}))(_l2)?(\\+.+)?")
        private const val MEGABYTE = 1e6
        private val TARGETS = mapOf("onnx" to "ONNX", "executorch" to "ExecuTorch", "litert" to "LiteRT", "coreml" to "Core ML")

        fun of(manifest: Manifest): ModelTitle {
            val megabytes = String.format(Locale.ROOT, "%.1f MB", manifest.modelBytes / MEGABYTE)
            val size = "${manifest.model.height} × ${manifest.model.width}"
            val target = TARGETS[manifest.target] ?: manifest.target
            return ModelTitle(name(manifest.model.name), listOf(target, manifest.precision, size, megabytes).joinToString(" · "))
        }

        /** `mobilevitv2_050` as `MobileViTv2 0.5`; any other name as it is. */
        fun name(model: String): String {
            val (generation, size, percent, layers, change) = KNOWN.matchEntire(model)?.destructured ?: return model
            val shown = if (percent.isEmpty()) size.uppercase(Locale.ROOT) else String.format(Locale.ROOT, "%.2f", percent.toInt() / 100.0).removeSuffix("0")
            return "MobileViT$generation $shown${layers.uppercase(Locale.ROOT).replace('_', ' ')}$change"
        }
    }
}
