package android.util

class DisplayMetrics(val density: Float) {
    val scaledDensity = density
}
